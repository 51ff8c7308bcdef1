"""Settings: this environment in, those values or that sentence out.

What the settings do is tested where they take effect.
"""

from __future__ import annotations

import dataclasses

import pytest

from config.platforms import PLATFORMS, Platform
from config.reference import as_text
from config.settings import TABLE, Settings, SettingsError, load, load_or_exit, misspelt

REFUSED = [
    ({"PORT": "http"}, "PORT is 'http'; it must be a whole number from 0 to 65535."),
    ({"PORT": "65536"}, "PORT is '65536'; it must be a whole number from 0 to 65535."),
    ({"PORT": "8_081"}, "PORT is '8_081'; it must be a whole number from 0 to 65535."),
    ({"PORT": "٨٠٨١"}, "PORT is '٨٠٨١'; it must be a whole number from 0 to 65535."),
    ({"HOST": "my host"}, "HOST is 'my host'; it must be a host name or an IP address."),
    ({"OCPP_STRICT": "2"}, "OCPP_STRICT is '2'; it must be 0 or 1."),
    ({"WRITE_TIMEOUT": "nan"}, "WRITE_TIMEOUT is 'nan'; it must be a number of seconds from 0.1"),
    ({"WRITE_TIMEOUT": "0"}, "WRITE_TIMEOUT is '0'; it must be a number of seconds from 0.1 to 6"),
    ({"LOG_LEVEL": "loud"}, "LOG_LEVEL is 'loud'; it must be debug, info, warning or error."),
    (
        {"UNKNOWN_CHARGE_POINTS": "opened\n"},
        "UNKNOWN_CHARGE_POINTS is 'opened'; it must be closed, pending or open.",
    ),
    ({"UNKNOWN_ID_TAGS": "pending"}, "UNKNOWN_ID_TAGS is 'pending'; it must be closed or open."),
    ({"MAX_CONNECTOR_ID": "9" * 5000}, f"MAX_CONNECTOR_ID is '{'9' * 60}'; it must be a whole"),
    (
        {"MAX_MESSAGE_BYTES": "2000000", "MAX_INFLIGHT_BYTES": "1000000"},
        "MAX_MESSAGE_BYTES is 2000000; it must not be greater than MAX_INFLIGHT_BYTES, which is "
        "1000000.",
    ),
    (
        {"SHUTDOWN_TIMEOUT": "2.5"},
        "SHUTDOWN_SPREAD is 3; it must not be greater than SHUTDOWN_TIMEOUT, which is 2.5.",
    ),
    (
        {"PRESENCE_INTERVAL": "61"},
        "PRESENCE_INTERVAL is 61; it must not be greater than PRESENCE_EXPIRY, which is 60.",
    ),
]


def test_empty_environment_gives_the_defaults() -> None:
    assert load({}) == Settings()


def test_every_default_is_a_value_that_would_be_accepted() -> None:
    for setting in TABLE:
        assert setting.read(as_text(setting.default)) == setting.default, setting.variable


def test_blank_variable_counts_as_missing() -> None:
    assert load({"PORT": "", "LOG_LEVEL": "  "}) == Settings()


def test_values_are_read_with_their_types() -> None:
    environ = {"PORT": " 9000 ", "WRITE_TIMEOUT": "0.5", "OCPP_STRICT": "YES", "LOG_LEVEL": "DEBUG"}
    assert load(environ) == Settings(
        port=9000, write_timeout=0.5, ocpp_strict=True, log_level="debug"
    )


@pytest.mark.parametrize(("environ", "sentence"), REFUSED, ids=lambda value: str(value)[:40])
def test_bad_value_is_refused_with_a_sentence(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(environ)
    assert str(refused.value).startswith(sentence)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///data/ocpp_cs.db",
        "sqlite:////var/lib/ocpp_cs/ocpp_cs.db",
        "postgres://user:secret@database:5432/ocpp",
        "postgresql://user:secret@[::1]/ocpp?sslmode=require",
        "postgresql:///ocpp?host=/run/postgresql",
        "postgresql://user:p%40ss:word@first:5432,second:5433/ocpp",
    ],
)
def test_database_urls_that_are_accepted(url: str) -> None:
    settings = load({"DATABASE_URL": url})
    assert settings.database_url == url
    assert settings.dialect == ("sqlite" if url.startswith("sqlite") else "postgresql")


@pytest.mark.parametrize(
    "url",
    [
        "secret",
        "mysql://user:secret@database/ocpp",
        "postgresql+psycopg2://user:secret@database/ocpp",
        "postgres:secret",
        "postgresql://user:secret@database:port/ocpp",
        "postgresql://user:secret@database:99999/ocpp",
        "postgresql://user:secret@[database/ocpp",
        "postgresql://user:secret@database:0/ocpp",
        "postgresql://user:secret@first:5432,second:port/ocpp",
        "postgresql://user:secret @database/ocpp",
        "sqlite://secret.db",
        "sqlite:secret.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file.db?mode=memory&secret",
    ],
)
def test_database_urls_that_are_refused_are_never_shown(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL cannot be used .*postgresql://") as hit:
        load({"DATABASE_URL": url})
    assert "secret" not in str(hit.value)
    assert hit.value.__suppress_context__


def test_password_is_not_in_the_repr() -> None:
    settings = load({"DATABASE_URL": "postgresql://user:secret@database/ocpp"})
    assert "secret" not in repr(settings)
    assert "port=8081" in repr(settings)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_sqlite_is_refused_where_the_file_is_gone_after_a_restart(platform: Platform) -> None:
    """Here nothing of a platform is mounted, so that on none of them it would stay."""
    with pytest.raises(SettingsError) as refused:
        load({platform.variable: "x", "DATABASE_URL": "sqlite:////nowhere/x.db"})
    assert f"{platform.variable} says that this is {platform.name}" in str(refused.value)
    assert "it needs postgresql://..." in str(refused.value)
    assert (platform.keeps or "ALLOW_EPHEMERAL_SQLITE=1") in str(refused.value)


def test_sqlite_that_may_be_lost_has_to_be_said() -> None:
    assert load({"DYNO": "web.1", "ALLOW_EPHEMERAL_SQLITE": "1"}).dialect == "sqlite"
    assert load({"DYNO": "web.1", "DATABASE_URL": "postgres://database/ocpp"}).workers == 1


@pytest.mark.parametrize(
    ("url", "workers"), [("sqlite:///x.db", 1), ("postgresql://database/ocpp", 4)]
)
def test_platform_that_asks_for_workers_gets_them_on_postgresql_only(
    url: str, workers: int
) -> None:
    assert load({"DATABASE_URL": url, "WEB_CONCURRENCY": "4"}).workers == workers


@pytest.mark.parametrize(
    ("host", "bind"), [("127.0.0.1", "127.0.0.1:8081"), ("::", "[::]:8081"), ("a.b", "a.b:8081")]
)
def test_bind_address(host: str, bind: str) -> None:
    assert load({"HOST": host}).bind == bind


def test_load_or_exit_ends_with_the_sentence() -> None:
    with pytest.raises(SystemExit) as end:
        load_or_exit({"PORT": "x"})
    expected = "Cannot start: PORT is 'x'; it must be a whole number from 0 to 65535."
    assert end.value.code == expected


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("UNKNOWN_CHARGEPOINTS", "UNKNOWN_CHARGE_POINTS"),
        ("OCPP_STRIKT", "OCPP_STRICT"),
        ("MAX_CHARGEPOINTS", "MAX_CHARGE_POINTS"),
    ],
)
def test_misspelt_variable_is_named(name: str, meant: str) -> None:
    assert misspelt({name: "1", "HOSTNAME": "x", "PATH": "/bin", "PORT": "1"}) == [
        f"{name} is not a setting and has no effect; is {meant} meant?"
    ]


def test_table_holds_every_attribute_once_and_complete() -> None:
    assert [s.attribute for s in TABLE] == [f.name for f in dataclasses.fields(Settings)]
    for setting in TABLE:
        assert setting.meaning.endswith("."), setting.variable
        assert setting.accepts, setting.variable


def test_pings_come_well_before_the_routers_cut_what_is_silent() -> None:
    """Heroku does after 55 s, nginx by default after 60 s; a ping may be lost in between."""
    settings = Settings()
    assert settings.ping_interval + settings.pong_timeout < 55
    assert 2 * settings.ping_interval < 55


@pytest.mark.parametrize("text", ["short", "with a blank in it!", "x" * 513, "ümläute-of-16-chars"])
def test_a_token_that_nobody_could_send_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^METRICS_TOKEN cannot be used") as refused:
        load({"METRICS_TOKEN": text})
    assert text not in str(refused.value)
    assert "0123456789abcdef" not in repr(load({"METRICS_TOKEN": "0123456789abcdef"}))
