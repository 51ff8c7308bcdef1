"""Keys and their hashes, and what an Authorization header may hold (R17, W4, A4)."""

from __future__ import annotations

import base64
import time

import pytest

from ocpp_cs import credentials

KEY = bytes(range(20))
PASSWORD = b"correct-horse-battery"


def header(data: bytes) -> str:
    return "Basic " + base64.b64encode(data).decode()


def test_generated_key_is_forty_hexadecimal_digits_and_never_the_same() -> None:
    keys = {credentials.generate_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(bytes.fromhex(key)) for key in keys} == {20}


@pytest.mark.parametrize("stored", [KEY, KEY.hex().encode(), KEY.hex().upper().encode()])
@pytest.mark.parametrize("generated", [True, False])
def test_raw_key_and_its_hexadecimal_text_are_the_same_key(stored: bytes, generated: bool) -> None:
    hash_text = credentials.hash_key(stored, generated=generated)
    for presented in (KEY, KEY.hex().encode(), KEY.hex().upper().encode()):
        assert credentials.verify(hash_text, presented)
    for wrong in (KEY[:-1], KEY + b"\x00", KEY.hex().encode()[:-2], b"", bytes(20)):
        assert not credentials.verify(hash_text, wrong)


def test_sixteen_byte_key_has_a_hexadecimal_text_too() -> None:
    hash_text = credentials.hash_key(KEY[:16].hex().encode(), generated=False)
    assert credentials.verify(hash_text, KEY[:16])


def test_short_hexadecimal_password_is_a_password() -> None:
    hash_text = credentials.hash_key(b"00112233445566778899", generated=False)
    assert not credentials.verify(hash_text, bytes.fromhex("00112233445566778899"))
    assert credentials.verify(hash_text, b"00112233445566778899")


def test_password_is_case_sensitive() -> None:
    hash_text = credentials.hash_key(PASSWORD, generated=False)
    assert credentials.verify(hash_text, PASSWORD)
    assert not credentials.verify(hash_text, PASSWORD.upper())


@pytest.mark.parametrize("secret", [b"", b"fifteen-letters", b"x" * 41])
def test_key_of_no_proper_length_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="16 to 40 bytes"):
        credentials.hash_key(secret, generated=False)


def test_hash_is_salted_and_does_not_hold_the_key() -> None:
    first, second = (credentials.hash_key(KEY, generated=True) for _ in range(2))
    assert first != second
    assert KEY.hex() not in first


@pytest.mark.parametrize(
    "hash_text", ["", "scrypt", "scrypt$zz$zz", "hmac-sha256$00", "md5$00$00", "scrypt$00$"]
)
def test_damaged_hash_fits_nothing(hash_text: str) -> None:
    assert not credentials.verify(hash_text, KEY)


def test_only_hashes_of_what_a_person_chose_are_slow() -> None:
    assert credentials.is_slow(credentials.hash_key(PASSWORD, generated=False))
    assert not credentials.is_slow(credentials.hash_key(KEY, generated=True))


def test_dummy_hash_fits_nothing_and_takes_as_long_as_a_real_one() -> None:
    real = credentials.hash_key(PASSWORD, generated=False)

    def fastest(hash_text: str) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()
            assert not credentials.verify(hash_text, b"wrong")
            times.append(time.process_time() - began)
        return min(times)

    assert 0.4 < fastest(credentials.DUMMY_HASH) / fastest(real) < 2.5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (header(b"AL1000:" + KEY), (b"AL1000", KEY)),
        (header(b"AL1000:a:b:"), (b"AL1000", b"a:b:")),
        (header(b"AL1000:"), (b"AL1000", b"")),
        (header(b":x"), (b"", b"x")),
        (header(b"AL1000:\xff\x00"), (b"AL1000", b"\xff\x00")),
        (header(b"AL1000:secret").replace("Basic ", "basic   "), (b"AL1000", b"secret")),
        (header(b"AL1000:secrets").rstrip("="), (b"AL1000", b"secrets")),
        # The example of J §6.2.2, in the form that the errata mean.
        ("Basic QUwxMDAwOgABAgMEBQYH////////////////", (b"AL1000", KEY[:8] + b"\xff" * 12)),
    ],
)
def test_basic_header_is_read_as_bytes(text: str, expected: tuple[bytes, bytes]) -> None:
    assert credentials.parse_basic(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "Basic", "Basic !!!!", "Bearer abc", header(b"no colon"), "Basic \xff\xfe", "Basic a"],
)
def test_other_headers_are_none(text: str) -> None:
    assert credentials.parse_basic(text) is None


# --- Keys of the REST API -----------------------------------------------------------------------


def test_api_keys_are_never_the_same_and_say_what_they_are() -> None:
    made = [credentials.generate_api_key() for _ in range(200)]
    assert len({key_id for key_id, _ in made}) == len({secret for _, secret in made}) == 200
    for key_id, secret in made:
        assert credentials.parse_api_key(credentials.api_key_text(key_id, secret)) == (
            key_id,
            secret,
        )
        assert len(base64.b32decode(secret.upper() + "====")) == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ocs__",
        "ocs_k3f7x2ab",
        "ocs_k3f7x2ab_",
        "ocs_k3f7x2ab_" + "a" * 51,
        "ocs_k3f7x2ab_" + "a" * 53,
        "ocs_k3f7x2ab_" + "a" * 52 + "\n",
        "ocs_K3F7X2AB_" + "a" * 52,
        "ocs_k3f7x2a1_" + "a" * 52,
        "OCS_k3f7x2ab_" + "a" * 52,
        "ocs_k3f7x2ab_" + "\u0430" * 52,
    ],
)
def test_what_is_no_api_key(text: str) -> None:
    assert credentials.parse_api_key(text) is None


def test_an_api_key_is_checked_fast_and_whole() -> None:
    _, secret = credentials.generate_api_key()
    hash_text = credentials.hash_api_key(secret)
    assert not credentials.is_slow(hash_text)
    assert hash_text != credentials.hash_api_key(secret)
    assert secret not in hash_text
    assert credentials.verify(hash_text, secret.encode())
    for wrong in (secret[:-1], secret + "a", secret.upper(), ""):
        assert not credentials.verify(hash_text, wrong.encode())


def test_dummy_of_api_keys_fits_nothing_and_is_checked_alike() -> None:
    real = credentials.hash_api_key("a" * 52)
    assert [part and len(part) for part in credentials.DUMMY_API_KEY_HASH.split("$")] == [
        part and len(part) for part in real.split("$")
    ]
    assert not credentials.verify(credentials.DUMMY_API_KEY_HASH, b"a" * 52)
