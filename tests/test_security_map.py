"""Which tests prove which defence: known attacks (A1 to A19), and the whitepaper's duties (W).

The numbers are those that comments and commit messages cite; each has its sentence here. Only the
names are checked: a test that is renamed or removed takes its line along, or fails this module.
"""

from __future__ import annotations

import ast

import pytest

from tests.servers import PROJECT

HANDSHAKE = "gateway/test_handshake.py"
PROFILES = "gateway/test_profiles.py"
TLS = "gateway/test_tls.py"
REGISTRY = "gateway/test_registry.py"
WEBSOCKET = "gateway/test_websocket.py"
CONNECTION = "gateway/test_connection.py"

# Number and what is attacked -> file of tests, and tests in it.
ATTACKS: dict[str, dict[str, tuple[str, ...]]] = {
    "A1 a second socket with the identity of a charge point": {
        REGISTRY: (
            "test_newer_connection_replaces_the_older_one",
            "test_end_of_the_older_connection_leaves_the_newer_one_alone",
            "test_many_swaps_raise_an_alarm_once_each",
        ),
        "handlers/test_connections.py": (
            "test_each_session_has_its_own_epoch",
            "test_the_cleanup_of_an_old_session_does_not_touch_the_new_one",
        ),
        "gateway/test_gunicorn.py": ("test_newest_connection_wins_across_processes",),
    },
    "A2 no authentication at all": {
        HANDSHAKE: (
            "test_closed_policy_answers_404_and_creates_nothing",
            "test_profile_without_a_key_lets_nobody_in",
            "test_stored_key_is_asked_for_whatever_the_profile",
        ),
        "config/test_gunicorn.py": (
            "test_open_doors_and_misspelt_settings_are_said_in_plain_words",
        ),
    },
    "A3 guessing without a limit": {
        HANDSHAKE: (
            "test_guesses_are_limited_per_address_and_charge_point",
            "test_guesses_are_limited_per_address",
            "test_guesses_at_the_same_time_are_counted_too",
        ),
        PROFILES: ("test_a_fleet_behind_a_proxy_is_not_counted_as_one",),
        "test_throttle.py": ("test_counters_are_bounded",),
        "api/test_access.py": (
            "test_too_many_failures_of_a_key",
            "test_nobody_locks_out_a_right_key",
        ),
    },
    "A4 identities tried out": {
        HANDSHAKE: ("test_hidden_unknown_charge_point_looks_like_a_wrong_password",),
        PROFILES: ("test_hidden_profiles_look_like_a_wrong_password",),
        "gateway/test_login.py": ("test_failure_takes_as_long_with_any_hash_or_none",),
    },
    "A5 malformed frames and JSON": {
        "faults/test_fuzz.py": ("test_nothing_goes_wrong",),
        "e2e/test_malformed.py": ("test_twenty_thousand_bad_frames",),
        "ocpp16/test_session.py": ("test_no_bytes_raise", "test_no_mutated_frame_raises"),
        WEBSOCKET: ("test_breach_of_the_websocket_protocol_is_closed_with_1002",),
        CONNECTION: ("test_unreadable_frames_are_counted_and_closed",),
    },
    "A6 huge frames and compressed bombs": {
        WEBSOCKET: (
            "test_oversize_message_is_closed_with_1009",
            "test_unfinished_messages_take_no_room_from_others",
        ),
        "gateway/test_limits.py": ("test_what_does_not_fit_waits_for_room",),
        HANDSHAKE: ("test_answer_to_the_upgrade",),
        "api/test_problems.py": ("test_a_body_that_is_too_large",),
    },
    "A7 slow readers and writers": {
        WEBSOCKET: (
            "test_stuck_reader_is_cut_and_harms_nobody",
            "test_message_in_pieces_has_a_deadline",
            "test_beginning_of_a_frame_is_no_sign_of_life",
        ),
        "gateway/test_gunicorn.py": (
            "test_silent_and_stuck_peers_are_removed_and_harm_nobody",
            "test_a_header_that_never_ends_has_a_deadline",
        ),
        TLS: (
            "test_slow_handshake_holds_its_place_for_a_limited_time",
            "test_silent_and_stuck_peers_within_tls",
        ),
    },
    "A8 deep and hostile JSON": {
        "ocpp16/test_frames.py": (
            "test_depth_is_counted_in_arrays_and_objects",
            "test_only_nuls_and_lone_surrogates_are_replaced",
            "test_a_frame_of_a_mebibyte_is_read_in_a_blink",
        ),
        "ocpp16/test_tolerance.py": ("test_a_hostile_frame_has_a_bounded_number_of_deviations",),
    },
    "A9 floods of starts with random tags and connectors": {
        "handlers/test_start_transaction.py": (
            "test_a_refused_tag_still_gets_a_transaction",
            "test_oddities_become_flags",
        ),
        "handlers/test_quotas.py": (
            "test_starts_with_refused_id_tags_have_a_quota",
            "test_kinds_that_are_made_up_end_somewhere",
        ),
        "test_rules.py": ("test_connectors_of_a_start",),
    },
    "A10 stops and meter values for others": {
        "handlers/test_stop_transaction.py": ("test_a_foreign_stop_leaves_the_transaction_alone",),
        "handlers/test_meter_values.py": ("test_foreign_samples_leave_the_transaction_alone",),
    },
    "A11 SQL injection": {"test_layers.py": ("test_no_sql_is_put_together_where_it_is_run",)},
    "A12 scripts and formulas in what charge points say": {
        "api/test_lists.py": ("test_no_cell_begins_a_formula",),
        "api/test_access.py": ("test_headers",),
    },
    "A13 a socket opened by a page of others": {
        HANDSHAKE: ("test_a_cookie_is_no_login_and_none_is_given",),
    },
    "A14 commands by a page of others": {
        "api/test_access.py": (
            "test_changing_is_never_open",
            "test_the_login_of_a_proxy_is_no_key",
        ),
    },
    "A15 forged log lines, secrets in logs": {
        "test_logs.py": (
            "test_neither_message_nor_field_writes_a_control_character",
            "test_no_line_of_a_traceback_can_be_taken_for_a_record",
        ),
        HANDSHAKE: (
            "test_what_a_stranger_says_is_recorded_harmlessly",
            "test_no_secret_reaches_the_log_or_the_database",
        ),
        PROFILES: ("test_no_certificate_reaches_the_log_or_the_database",),
        "commands/test_secrets.py": (
            "test_values_of_secret_keys_are_blotted_out_of_frames",
            "test_passwords_in_urls",
        ),
        "api/test_access.py": ("test_a_refused_key_is_in_the_log_without_its_secret",),
    },
    "A16 locations that the server might fetch, or that betray a password": {
        "test_layers.py": ("test_the_server_fetches_no_url",),
        "commands/test_transfers.py": (
            "test_a_location_that_is_none",
            "test_a_password_in_a_location_is_shown_to_nobody",
        ),
        "api/test_files.py": ("test_a_url_is_good_once_and_for_a_time",),
    },
    "A17 keys taken from the database": {
        "test_credentials.py": (
            "test_hash_is_salted_and_does_not_hold_the_key",
            "test_only_hashes_of_what_a_person_chose_are_slow",
        ),
    },
    "A18 the text of exceptions": {
        "ocpp16/test_session.py": ("test_the_text_of_an_exception_is_not_sent",),
        "api/test_problems.py": ("test_a_failure_has_a_reference_that_stands_in_the_log",),
    },
    "A19 forged headers of proxies": {
        "test_proxies.py": (
            "test_strangers_are_not_believed",
            "test_the_first_stranger_from_the_right_is_who_connects",
            "test_every_hop_has_to_be_secure",
        ),
        PROFILES: ("test_spoofed_headers_change_nothing",),
        TLS: ("test_spoofed_certificate_headers_are_not_believed", "test_behind_a_proxy"),
    },
}

DUTIES: dict[str, dict[str, tuple[str, ...]]] = {
    "W1 one security profile at a time": {
        PROFILES: ("test_the_profile_decides_what_is_asked_for",),
        TLS: ("test_independent_client_in_every_profile",),
    },
    "W2 never a lower one over OCPP": {
        PROFILES: (
            "test_a_higher_profile_that_was_used_is_asked_for_from_then_on",
            "test_a_failed_login_raises_nothing",
        ),
        "commands/test_configuration.py": ("test_a_security_profile_is_never_lowered_over_ocpp",),
        "api/test_charge_point_changes.py": ("test_only_an_admin_lowers_a_profile",),
    },
    "W3 profile 1 in trusted networks, checked before the upgrade": {
        PROFILES: ("test_plain_connections_come_from_networks_that_are_named",),
        HANDSHAKE: ("test_wrong_credentials_are_refused",),
    },
    "W4 user and password": {
        "test_credentials.py": (
            "test_generated_key_is_forty_hexadecimal_digits_and_never_the_same",
            "test_key_of_no_proper_length_is_refused",
        ),
        HANDSHAKE: ("test_key_is_accepted_as_bytes_and_as_text",),
    },
    "W5 TLS 1.2 and above": {TLS: ("test_good_versions", "test_old_versions_are_refused")},
    "W6 the cipher suites, two certificates, no compression": {
        TLS: (
            "test_every_suite_of_the_whitepaper",
            "test_other_suites_are_refused",
            "test_good_versions",
        ),
    },
    "W7 client certificates": {
        TLS: (
            "test_the_certificate_of_the_charge_point_lets_it_in",
            "test_a_certificate_with_the_serial_number",
            "test_a_certificate_of_another",
            "test_no_certificate_in_profile_3",
            "test_expired_and_foreign_certificates_end_the_handshake",
        ),
        PROFILES: (
            "test_whose_certificate_it_is",
            "test_nobody_is_of_an_operator_without_a_name",
            "test_a_whole_certificate_as_proxies_pass_it_on",
        ),
    },
    "W8 what a certificate request must be": {
        "test_x509.py": ("test_a_good_request", "test_a_bad_request"),
    },
    "W9 certificates are signed, sent and renewed, failures left to an operator": {
        "commands/test_certificates.py": (
            "test_a_signed_certificate_is_sent_and_held_once_accepted",
            "test_what_fails_is_left_to_an_operator",
            "test_a_new_request_is_asked_for_once_before_the_end",
            "test_a_renewal_that_fails_is_seen",
        ),
        "api/test_certificates.py": (
            "test_the_chain_of_an_authority_elsewhere_goes_to_the_charge_point",
        ),
    },
    "W10 certificates, logs and firmware, there and back": {
        "commands/test_certificates.py": (
            "test_an_accepted_root_is_held_until_it_is_deleted",
            "test_a_report_says_what_is_there_and_what_is_not",
        ),
        "e2e/test_certificates_and_files.py": ("test_certificate_log_and_firmware",),
    },
    "W11 security events are stored before they are confirmed": {
        "handlers/test_security.py": (
            "test_an_event_is_stored_with_its_time",
            "test_an_event_sent_again_is_the_same_event",
        ),
        CONNECTION: ("test_answer_is_on_disk_when_it_arrives",),
    },
    "W12 any event, critical ones told apart": {
        "handlers/test_security.py": ("test_critical_ones_are_told_apart_and_any_text_is_kept",),
        "test_rules.py": ("test_critical_security_events_are_those_of_the_whitepaper",),
    },
    "W13 what is ended for security is recorded, without passwords": {
        PROFILES: (
            "test_a_refusal_for_security_is_an_event_once_an_hour",
            "test_a_wrong_password_is_an_event_and_a_stranger_none",
        ),
        TLS: ("test_what_is_no_tls_or_breaks_off_is_recorded_and_harms_nobody",),
        HANDSHAKE: ("test_no_secret_reaches_the_log_or_the_database",),
    },
    "W14 pending until it has a key of its own": {
        HANDSHAKE: (
            "test_pending_policy_registers_and_waits",
            "test_first_key_counts_from_its_first_login_on",
        ),
    },
}


def test_nothing_is_left_out() -> None:
    assert [number.split()[0] for number in ATTACKS] == [f"A{n}" for n in range(1, 20)]
    assert [number.split()[0] for number in DUTIES] == [f"W{n}" for n in range(1, 15)]


def names_in(path: str) -> set[str]:
    """The names of the tests in a file."""
    source = (PROJECT / "tests" / path).read_text(encoding="utf-8")
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    return {node.name for node in found if node.name.startswith("test_")}


@pytest.mark.parametrize("number", [*ATTACKS, *DUTIES])
def test_the_proof_is_there(number: str) -> None:
    proof = {**ATTACKS, **DUTIES}[number]
    assert proof
    missing = [
        f"{path}::{name}" for path, names in proof.items() for name in {*names} - names_in(path)
    ]
    assert missing == []
