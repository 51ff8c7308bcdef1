"""Every setting, once: variable, default, bounds, unit and meaning, read from the environment.

It is neither where settings take effect nor a thing that shows a password: the value of
`DATABASE_URL` is left out of every message and out of the repr of `Settings`.
"""

# The table below is made of calls in a dataclass body; each builds one immutable default.
# ruff: noqa: RUF009

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from typing import Literal

from config import kinds, platforms

Dialect = Literal["sqlite", "postgresql"]
UnknownChargePoints = Literal["closed", "pending", "open"]
UnknownIdTags = Literal["closed", "open"]
LogFormat = Literal["auto", "text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

_LONGEST_SHOWN_VALUE = 60  # characters
# Below this likeness two names are two names; UNKNOWN_CHARGEPOINTS is 0.97 like the right one.
_MISSPELT = 0.86


class SettingsError(ValueError):
    """A setting cannot be used; the text is a sentence for the person who starts the server."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one process; an attribute is its variable's name in lower case.

    `Settings()` holds the defaults. Make one from an environment with `load`, which checks values.
    """

    port: int = kinds.whole(
        8081, 0, 65535, "", "TCP port to listen on; 0 takes any free one and logs which."
    )
    host: str = kinds.setting(
        "0.0.0.0",
        kinds.host,
        "a host name or an IP address",
        "Address to listen on. `make run` listens on 127.0.0.1 only.",
    )
    tls_cert_file: str = kinds.file(
        "Certificate of the server with its chain, PEM: charge points and REST are served over TLS "
        "only (`wss://`, `https://`). Empty: without TLS.",
    )
    tls_key_file: str = kinds.file("Private key of `TLS_CERT_FILE`, PEM without a password.")
    tls_second_cert_file: str = kinds.file(
        "A second certificate, of the other kind of key (RSA beside ECDSA): each charge point gets "
        "the one that it understands.",
    )
    tls_second_key_file: str = kinds.file("Private key of `TLS_SECOND_CERT_FILE`.")
    tls_client_ca_file: str = kinds.file(
        "Certificates, PEM, of those who issue the certificates of charge points (security profile "
        "3). Empty: none is asked for.",
    )
    operator_name: str = kinds.text(
        "",
        255,
        "a text of one line, at most 255 characters",
        "Organization (O) that the certificate of a charge point must name, and that its requests "
        "for one must, as its configuration key CpoName says it. Empty: no certificate will do, "
        "and a request may name any.",
    )
    trusted_proxies: tuple[kinds.Network, ...] = kinds.networks(
        "",
        "Proxies whose word is taken for the address, TLS and certificate of who connects "
        "(`X-Forwarded-For`, `X-Forwarded-Proto`, `X-SSL-Client-*`). `*`: whoever connects is a "
        "proxy; only where nothing but your platform's router can reach this port.",
    )
    plain_networks: tuple[kinds.Network, ...] = kinds.networks(
        "*",
        "Where charge points may connect from without TLS (security profiles 0 and 1). Blank or "
        "absent: from everywhere; `127.0.0.1`: from this machine only.",
    )
    database_url: str = kinds.setting(
        "sqlite:///data/ocpp_cs.db",
        kinds.database_url,
        "sqlite:///path/to/file, sqlite:////absolute/path or postgresql://user:password@host/name "
        "(postgres:// is the same)",
        "The database. A relative SQLite path starts at the working directory.",
        secret=True,
    )
    database_pool_size: int = kinds.whole(
        8,
        1,
        1000,
        "connections",
        "What one process reads from the database at one time; each has a connection.",
    )
    database_write_lanes: int = kinds.whole(
        2,
        1,
        64,
        "connections",
        "Connections of one process that write; a charge point keeps its own (PostgreSQL only).",
    )
    web_concurrency: int = kinds.whole(
        1, 1, 256, "processes", "Worker processes (PostgreSQL only: SQLite always has exactly one)."
    )
    unknown_charge_points: UnknownChargePoints = kinds.choice(
        "closed",
        UnknownChargePoints,
        "A charge point that is not registered: `closed` answers 404, `pending` registers it but "
        "lets it do nothing until an operator approves, `open` registers and accepts it.",
    )
    unknown_id_tags: UnknownIdTags = kinds.choice(
        "closed",
        UnknownIdTags,
        "An id tag that is not registered: `closed` answers Invalid, `open` accepts it until the "
        "next midnight UTC.",
    )
    ocpp_strict: bool = kinds.switch(
        False, "1: a message with properties that OCPP does not know is refused, not just noted."
    )
    ocpp_require_subprotocol: bool = kinds.switch(
        False, "1: a charge point that does not offer the WebSocket subprotocol `ocpp1.6` gets 400."
    )
    hide_unknown: bool = kinds.switch(
        False, "1: an unknown charge point gets 401 as for a wrong password, instead of 404."
    )
    heartbeat_interval: int = kinds.whole(
        14400,
        0,
        604800,
        "s",
        "Heartbeat interval that BootNotification is answered with; 0 leaves it to the charge "
        "point.",
    )
    boot_retry_interval: int = kinds.whole(
        60,
        0,
        604800,
        "s",
        "When a charge point whose BootNotification was not accepted may ask again; 0 leaves it to "
        "the charge point.",
    )
    ping_interval: float = kinds.seconds(
        20, 0.1, 3600, "A charge point that was silent for so long is sent a WebSocket ping."
    )
    pong_timeout: float = kinds.seconds(
        20, 0.1, 3600, "A charge point that does not answer a ping for so long is disconnected."
    )
    write_timeout: float = kinds.seconds(
        10, 0.1, 600, "A charge point that does not take a message for so long is disconnected."
    )
    max_message_bytes: int = kinds.whole(
        1048576, 1024, 67108864, "bytes", "Largest WebSocket message that a charge point may send."
    )
    max_inflight_bytes: int = kinds.whole(
        67108864,
        1024,
        17179869184,
        "bytes",
        "All messages that a process holds unanswered at one time; further ones wait.",
    )
    max_charge_points: int = kinds.whole(
        10000,
        1,
        1000000,
        "connections",
        "Charge points that one process accepts at one time; further ones get 503.",
    )
    max_connector_id: int = kinds.whole(
        64, 1, 100000, "", "Highest connector id that counts as plausible."
    )
    unreadable_frame_limit: int = kinds.whole(
        10, 1, 1000000, "frames", "Unreadable frames on one connection before it is closed."
    )
    login_attempts_per_id: int = kinds.whole(
        5,
        1,
        1000000,
        "per minute",
        "Failed logins per address and charge point, or API key, before the answer is 429.",
    )
    login_attempts_per_address: int = kinds.whole(
        100, 1, 1000000, "per minute", "Failed logins per address before the answer is 429."
    )
    call_timeout: float = kinds.seconds(
        30,
        0.1,
        3600,
        "How long a charge point may take to answer a command, unless it has a time of its own.",
    )
    command_settle_time: float = kinds.seconds(
        30,
        0,
        3600,
        "Commands that waited for a charge point are sent after its BootNotification, or so long "
        "after it connected.",
    )
    command_sweep_interval: float = kinds.seconds(
        1, 0.05, 60, "How often a process looks for commands that no wake-up told it of."
    )
    presence_interval: float = kinds.seconds(
        10, 0.1, 3600, "How often a process writes which charge points it holds."
    )
    presence_expiry: float = kinds.seconds(
        60, 0.2, 86400, "A charge point whose presence is older than this counts as offline."
    )
    offline_after: float = kinds.seconds(
        300, 0, 604800, "A charge point that has been away for so long is told as `offline`."
    )
    message_log_days: int = kinds.whole(
        14,
        0,
        3650,
        "days",
        "How long the frames of charge points are kept for `/messages`; 0: none are.",
    )
    meter_value_days: int = kinds.whole(
        0,
        0,
        36500,
        "days",
        "How long meter values are kept after the end of their transaction, or where they have "
        "none, after their time; 0: for good. What reports need of them is kept for good.",
    )
    event_days: int = kinds.whole(
        0,
        0,
        36500,
        "days",
        "How long statuses, firmware, diagnostics and security events, data transfers and what "
        "became of file transfers are kept; 0: for good.",
    )
    feed_days: int = kinds.whole(
        90,
        0,
        36500,
        "days",
        "How long the events of `/events` are kept, and what webhooks were not delivered; 0: for "
        "good.",
    )
    connection_attempt_days: int = kinds.whole(
        90,
        0,
        36500,
        "days",
        "How long recorded connection attempts are kept; 0: until there are 20,000.",
    )
    ca_certificate_file: str = kinds.file(
        "A certificate authority of your own, in PEM, followed by those above it: it signs the "
        "requests of charge points. Without it they wait for you.",
    )
    ca_key_file: str = kinds.file(
        "The private key of `CA_CERTIFICATE_FILE`, in PEM, not encrypted.",
    )
    certificate_days: int = kinds.whole(
        365, 1, 3650, "days", "How long the certificates that it signs are valid."
    )
    certificate_renewal_days: int = kinds.whole(
        0,
        0,
        3650,
        "days",
        "So long before its certificate expires a charge point is asked for a new request, once; "
        "0: never.",
    )
    public_url: str = kinds.setting(
        "",
        kinds.public_url,
        "http:// or https://, a host, and a path if there is one",
        "The URL that charge points reach this server by, for files and for the addresses that the "
        "console tells them; without it the one that the request of the operator came to.",
    )
    location_schemes: tuple[str, ...] = kinds.words(
        ("ftp", "ftps", "sftp", "http", "https"),
        r"[a-z][a-z0-9+.-]{0,20}",
        "schemes of URLs such as ftp, https",
        "Schemes of the URLs that charge points may be sent to for files.",
    )
    location_hosts: tuple[str, ...] = kinds.words(
        (),
        r"(\*\.)?[0-9a-z_.-]{1,253}|\[[0-9a-f:.]+\]",
        "names of hosts, *.example.com for all below one",
        "Hosts of these URLs; without it any.",
    )
    upload_max_bytes: int = kinds.whole(
        104857600, 1024, 10737418240, "bytes", "Largest file that a charge point may upload."
    )
    firmware_max_bytes: int = kinds.whole(
        268435456, 1024, 10737418240, "bytes", "Largest firmware that an operator may upload."
    )
    file_link_hours: int = kinds.whole(
        24, 1, 8760, "h", "How long a URL for one upload, or for the download of firmware, is good."
    )
    file_days: int = kinds.whole(
        90, 0, 36500, "days", "How long files of charge points are kept; 0: until they are deleted."
    )
    webhook_timeout: float = kinds.seconds(
        10, 0.1, 60, "How long the receiver of a webhook may take for an answer."
    )
    webhook_retry_hours: float = kinds.setting(
        24.0,
        kinds.hours,
        "a number of hours from 0.001 to 720",
        "How long a webhook that fails is tried again until its events are given up.",
        unit="h",
    )
    webhook_threads: int = kinds.whole(
        4, 1, 64, "threads", "Webhooks that one process delivers at one time."
    )
    webhook_networks: tuple[kinds.Network, ...] = kinds.networks(
        "",
        "Networks of your own that webhooks may reach. Public addresses always may; loopback, "
        "private and link-local ones only if they are named here.",
    )
    webhook_plain_http: bool = kinds.switch(
        False, "1: webhooks may also have `http://` URLs: events and id tags pass unencrypted."
    )
    refused_starts_per_hour: int = kinds.whole(
        1000,
        0,
        1000000,
        "per hour",
        "Transactions with a refused id tag that are taken from one charge point; then it has to "
        "wait, and sends them again. 0: any number.",
    )
    shutdown_spread: float = kinds.seconds(
        3, 0, 600, "At shutdown connections are closed spread over this time."
    )
    shutdown_timeout: float = kinds.seconds(
        15, 0.1, 3600, "Longest time that an orderly shutdown takes."
    )
    log_format: LogFormat = kinds.choice(
        "auto",
        LogFormat,
        "Log lines for people or for machines; `auto` is text on a terminal and JSON elsewhere.",
    )
    log_level: LogLevel = kinds.choice("info", LogLevel, "Least severity that is logged.")
    api_without_key: bool = kinds.switch(
        False,
        "1: whoever has no API key may read over the REST API; what changes something needs one "
        "also then. For your own machine only.",
    )
    console_time_zone: str = kinds.setting(
        "UTC",
        kinds.time_zone,
        "a time zone such as Europe/Berlin",
        "Time zone of the days in the console's charts, and of its times where a browser cannot "
        "show its own.",
    )
    console_session_hours: int = kinds.whole(
        12, 1, 720, "h", "How long a browser stays signed in to the console."
    )
    metrics_token: str = kinds.token(
        "What a scraper shows as `Authorization: Bearer` at `/metrics`; an API key of any role "
        "does, too, but needs the database. Empty: only an API key.",
    )
    allow_ephemeral_sqlite: bool = kinds.switch(
        False,
        "1: start with SQLite even where the file is gone after the next restart: on Heroku, and "
        "on Render, Fly and Railway without a disk or volume.",
    )

    @property
    def dialect(self) -> Dialect:
        """Which engine `database_url` names."""
        return "sqlite" if self.database_url.startswith("sqlite:") else "postgresql"

    @property
    def workers(self) -> int:
        """Worker processes to start: one writer owns an SQLite file, whatever was asked for."""
        return 1 if self.dialect == "sqlite" else self.web_concurrency

    @property
    def bind(self) -> str:
        """`HOST:PORT` as gunicorn reads it, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class Setting:
    """One row of the table: everything that `load` and the documents need of a setting.

    `read` turns the variable's text into the attribute's value and raises ValueError for a text
    that is not what `accepts` says.
    """

    attribute: str
    default: object
    unit: str
    accepts: str
    meaning: str
    secret: bool
    read: Callable[[str], object]

    @property
    def variable(self) -> str:
        return self.attribute.upper()


TABLE: tuple[Setting, ...] = tuple(
    Setting(attribute=field.name, default=field.default, **field.metadata)
    for field in dataclasses.fields(Settings)
)


def load(environ: Mapping[str, str]) -> Settings:
    """The settings in `environ`; a variable that is missing or blank has its default.

    Raises SettingsError for the first value that cannot be used, and for values that do not fit
    each other.
    """
    values = {}
    for setting in TABLE:
        if text := environ.get(setting.variable, "").strip():
            values[setting.attribute] = _read(setting, text)
    settings = Settings(**values)  # type: ignore[arg-type]  # each `read` returns its field's type
    _check_together(settings)
    _check_tls(settings)
    _check_authority(settings)
    _check_disk(settings, environ)
    return settings


def load_or_exit(environ: Mapping[str, str]) -> Settings:
    """Like `load`, for the edges that start a process: a bad value ends it with the sentence."""
    try:
        return load(environ)
    except SettingsError as error:
        raise SystemExit(f"Cannot start: {error}") from None


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like one of ours but is none, such as OCPP_STRIKT."""
    known = [setting.variable for setting in TABLE if "_" in setting.variable]
    sentences = []
    for name in sorted(environ.keys() - known):
        if close := difflib.get_close_matches(name, known, n=1, cutoff=_MISSPELT):
            sentences.append(f"{name} is not a setting and has no effect; is {close[0]} meant?")
    return sentences


def _read(setting: Setting, text: str) -> object:
    try:
        return setting.read(text)
    except ValueError:
        fault = f"is {text[:_LONGEST_SHOWN_VALUE]!r}"
        if setting.secret:
            fault = "cannot be used (it is not shown here, as it may hold a password)"
        raise SettingsError(f"{setting.variable} {fault}; it must be {setting.accepts}.") from None


def _check_together(settings: Settings) -> None:
    """Raises SettingsError for values that are fine alone and useless together."""
    pairs = (
        ("max_message_bytes", "max_inflight_bytes"),
        ("presence_interval", "presence_expiry"),
        ("shutdown_spread", "shutdown_timeout"),
    )
    for small, large in pairs:
        lower, upper = getattr(settings, small), getattr(settings, large)
        if lower > upper:
            raise SettingsError(
                f"{small.upper()} is {lower:.12g}; it must not be greater than {large.upper()}, "
                f"which is {upper:.12g}."
            )


def _check_tls(settings: Settings) -> None:
    """Raises SettingsError where a part of what TLS needs is missing."""
    needs = (
        ("tls_cert_file", "tls_key_file"),
        ("tls_key_file", "tls_cert_file"),
        ("tls_second_cert_file", "tls_second_key_file"),
        ("tls_second_key_file", "tls_second_cert_file"),
        ("tls_second_cert_file", "tls_cert_file"),
        ("tls_client_ca_file", "tls_cert_file"),
        ("tls_client_ca_file", "operator_name"),
    )
    for given, needed in needs:
        if getattr(settings, given) and not getattr(settings, needed):
            raise SettingsError(f"{given.upper()} is set; it needs {needed.upper()}, which is not.")


def _check_authority(settings: Settings) -> None:
    """A certificate authority is its certificate and its key."""
    if bool(settings.ca_certificate_file) != bool(settings.ca_key_file):
        raise SettingsError(
            "Only one of CA_CERTIFICATE_FILE and CA_KEY_FILE is set; an authority needs both."
        )


def _check_disk(settings: Settings, environ: Mapping[str, str]) -> None:
    """Refuses SQLite where a platform forgets the file at the next restart (F22)."""
    platform = platforms.platform_of(environ)
    if settings.dialect != "sqlite" or settings.allow_ephemeral_sqlite or platform is None:
        return
    path = settings.database_url.removeprefix("sqlite:///")
    if platforms.is_lost(path, platform, platforms.mounts()):
        instead = f", {platform.keeps} at its folder" if platform.keeps else ""
        raise SettingsError(
            f"DATABASE_URL names an SQLite file, {platform.variable} says that this is "
            f"{platform.name}, and there the file is gone after the next restart; it needs "
            f"postgresql://...{instead}, or ALLOW_EPHEMERAL_SQLITE=1 if the data may be lost."
        )
