"""What the payloads of commands mean, for people: their properties, examples, and warnings.

Tables only. Names, types and limits come from the message types; a property that is missing here,
or an example that a charge point would refuse, fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

# Far off: an example that is sent as it stands must not start a download tonight.
_SOME_DAY = "2035-01-01T03:00:00Z"
_LATER_THAT_DAY = "2035-01-01T05:00:00Z"
_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n"
_SHA_256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_CERTIFICATE_HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": _SHA_256,
    "issuerKeyHash": _SHA_256,
    "serialNumber": "1a2b3c",
}

PROPERTIES: Mapping[str, tuple[str, Any]] = {
    "certificate": ("The certificate in PEM.", _CERTIFICATE),
    "certificateChain": ("The signed certificate and those above it in PEM.", _CERTIFICATE),
    "certificateType": ("Which root it is.", "CentralSystemRootCertificate"),
    "chargingProfileId": ("Number of the profile; one with the same number is replaced.", 1),
    "chargingProfileKind": ("What its times count from.", "Absolute"),
    "chargingProfilePurpose": ("What it limits.", "TxDefaultProfile"),
    "chargingRateUnit": ("Unit of the limits.", "A"),
    "connectorId": ("The connector, counted from 1; 0 is the whole charge point.", 1),
    "data": ("Any text, as the vendor defines it.", "on"),
    "duration": ("How long, in seconds.", 3600),
    "expiryDate": ("Until when.", _SOME_DAY),
    "fileName": ("Name of the file that is uploaded.", "diagnostics-2026-11-22.zip"),
    "filename": ("Name of the file that is uploaded.", "security-2026-11-22.log"),
    "hashAlgorithm": ("How the hashes are made.", "SHA256"),
    "id": ("Only the profile of this number.", 1),
    "idTag": ("The id tag.", "0fc673"),
    "installDateTime": ("When to install it.", _LATER_THAT_DAY),
    "issuerKeyHash": ("Hash of the issuer's public key, hexadecimal.", _SHA_256),
    "issuerNameHash": ("Hash of the issuer's name, hexadecimal.", _SHA_256),
    "key": ("A configuration key.", "HeartbeatInterval"),
    "latestTimestamp": ("The end of the time that the log is wanted of.", "2026-11-22T12:00:00Z"),
    "limit": ("The limit, in chargingRateUnit, with at most one decimal.", 16),
    "listVersion": ("Version of the list.", 1),
    "location": ("URL of the file or folder. We never fetch it.", "ftp://example.com/files/"),
    "logType": ("Which log.", "SecurityLog"),
    "messageId": ("What the data is, as the vendor defines it.", "display"),
    "minChargingRate": ("Below it charging is of no use; with at most one decimal.", 6),
    "numberPhases": ("Phases that may be used; 3 if absent.", 3),
    "oldestTimestamp": ("The start of the time that the log is wanted of.", "2026-11-22T00:00:00Z"),
    "parentIdTag": ("The group of the id tag.", "fleet-north"),
    "readonly": ("Whether ChangeConfiguration cannot change it.", False),
    "recurrencyKind": ("How often a Recurring profile starts anew.", "Daily"),
    "remoteLocation": ("URL to upload it to.", "ftp://example.com/logs/"),
    "requestId": ("A number that the charge point's reports on it will have.", 1),
    "requestedMessage": ("Which message.", "StatusNotification"),
    "reservationId": ("The reservation's number in OCPP messages.", 7),
    "retries": ("How often to try again.", 3),
    "retrieveDate": ("When to fetch it, or later.", _SOME_DAY),
    "retrieveDateTime": ("When to fetch it, or later.", _SOME_DAY),
    "retryInterval": ("How long to wait before trying again, in seconds.", 60),
    "scheduleStart": ("When the schedule begins.", "2026-11-22T12:00:00Z"),
    "serialNumber": ("Serial number of the certificate, hexadecimal.", "1a2b3c"),
    "signature": ("Signature of the file, base64.", "bm90IGEgc2lnbmF0dXJl"),
    "signingCertificate": ("Certificate of who has signed the file, in PEM.", _CERTIFICATE),
    "stackLevel": ("Of several profiles the one with the highest level is in force.", 0),
    "startPeriod": ("Seconds from the start of the schedule to this limit.", 0),
    "startSchedule": ("When an Absolute schedule begins.", "2026-11-22T22:00:00Z"),
    "startTime": ("The start of the time that diagnostics are wanted of.", "2026-11-22T00:00:00Z"),
    "status": ("What the charge point says to it.", "Accepted"),
    "stopTime": ("The end of the time that diagnostics are wanted of.", "2026-11-22T12:00:00Z"),
    "transactionId": ("The transaction.", 1),
    "type": ("How.", "Soft"),
    "unknownKey": ("Keys that the charge point does not know.", ["ChargeForFree"]),
    "updateType": ("Full replaces the list, Differential changes it.", "Full"),
    "validFrom": ("From when the profile is valid.", "2026-11-22T00:00:00Z"),
    "validTo": ("Until when the profile is valid.", _SOME_DAY),
    "value": ("Its value.", "900"),
    "vendorId": ("Whose message it is.", "com.example"),
    # Parts: their examples are made of those of their own properties.
    "certificateHashData": ("Which certificate.", None),
    "chargingSchedule": ("The limits.", None),
    "chargingSchedulePeriod": ("The limits over time.", None),
    "configurationKey": ("The keys that were asked for.", None),
    "csChargingProfiles": ("The profile.", None),
    "firmware": ("What to install.", None),
    "idTagInfo": ("What the charge point is to think of it; without it, it is deleted.", None),
    "localAuthorizationList": ("The id tags.", None),
    "log": ("Where to upload it.", None),
    # What is otherwise in one place.
    "ChangeAvailabilityRequest.type": ("Whether it may charge.", "Inoperative"),
    "ClearChargingProfileRequest.connectorId": ("Only profiles of this connector.", 1),
    "ClearChargingProfileRequest.chargingProfilePurpose": (
        "Only profiles of this purpose.",
        "TxDefaultProfile",
    ),
    "ClearChargingProfileRequest.stackLevel": ("Only profiles of this level.", 0),
    "GetConfigurationRequest.key": ("Only these keys; without it all.", ["HeartbeatInterval"]),
    "IdTagInfo.status": ("Whether it may charge.", "Accepted"),
    "RemoteStartTransactionRequest.chargingProfile": (
        "A profile for the transaction that is started: a TxProfile without transactionId.",
        {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
            },
        },
    ),
    "RemoteStartTransactionRequest.connectorId": (
        "The connector, counted from 1; without it the charge point chooses.",
        1,
    ),
    "ReserveNowRequest.connectorId": ("The connector, counted from 1; 0 is any one.", 1),
    "ReserveNowRequest.idTag": ("Who may charge there.", "0fc673"),
    "UnlockConnectorResponse.status": ("What the charge point says to it.", "Unlocked"),
}
"""Description and example of each property, by its name or by its part and name."""

EXAMPLES: Mapping[str, Json] = {
    "CancelReservation": {"reservationId": 7},
    "CertificateSigned": {"certificateChain": _CERTIFICATE},
    "ChangeAvailability": {"connectorId": 1, "type": "Operative"},
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "900"},
    "ClearCache": {},
    "ClearChargingProfile": {"id": 1},
    "DataTransfer": {"vendorId": "com.example", "messageId": "display", "data": "on"},
    "DeleteCertificate": {"certificateHashData": _CERTIFICATE_HASH},
    "ExtendedTriggerMessage": {"requestedMessage": "StatusNotification", "connectorId": 1},
    "GetCompositeSchedule": {"connectorId": 1, "duration": 3600, "chargingRateUnit": "A"},
    "GetConfiguration": {"key": ["HeartbeatInterval", "MeterValueSampleInterval"]},
    "GetDiagnostics": {"location": "ftp://example.com/diagnostics/"},
    "GetInstalledCertificateIds": {"certificateType": "CentralSystemRootCertificate"},
    "GetLocalListVersion": {},
    "GetLog": {
        "logType": "SecurityLog",
        "requestId": 1,
        "log": {"remoteLocation": "ftp://example.com/logs/"},
    },
    "InstallCertificate": {
        "certificateType": "CentralSystemRootCertificate",
        "certificate": _CERTIFICATE,
    },
    "RemoteStartTransaction": {"connectorId": 1, "idTag": "0fc673"},
    "RemoteStopTransaction": {"transactionId": 1},
    "ReserveNow": {
        "connectorId": 1,
        "expiryDate": _SOME_DAY,
        "idTag": "0fc673",
        "reservationId": 7,
    },
    "Reset": {"type": "Soft"},
    "SendLocalList": {
        "listVersion": 1,
        "updateType": "Full",
        "localAuthorizationList": [{"idTag": "0fc673", "idTagInfo": {"status": "Accepted"}}],
    },
    "SetChargingProfile": {
        "connectorId": 0,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "startSchedule": "2026-11-22T22:00:00Z",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
            },
        },
    },
    "SignedUpdateFirmware": {
        "requestId": 1,
        "firmware": {
            "location": "https://example.com/firmware.bin",
            "retrieveDateTime": _SOME_DAY,
            "signingCertificate": _CERTIFICATE,
            "signature": "bm90IGEgc2lnbmF0dXJl",
        },
    },
    "TriggerMessage": {"requestedMessage": "StatusNotification", "connectorId": 1},
    "UnlockConnector": {"connectorId": 1},
    "UpdateFirmware": {
        "location": "https://example.com/firmware.bin",
        "retrieveDate": _SOME_DAY,
    },
}
"""A request of each action that can be sent as it stands."""

_BOOT = "A charge point that is accepted must not be asked for a BootNotification: 409."
_PASSWORD = "A password in the URL is blotted out wherever the command is shown."
_LOCKED_OUT = "A charge point without a root certificate of ours cannot connect any more."

NOTES: Mapping[str, str] = {
    "ChangeAvailability": "Scheduled means: when the running transaction has ended.",
    "ChangeConfiguration": "The key AuthorizationKey sets the charge point's password, of 16 to 40 "
    "characters: until it logs in with the new one both are valid, and the value is not shown to "
    "anybody. 409 `key_change_unsettled` while an earlier change is open.",
    "ClearChargingProfile": "An empty payload removes every profile.",
    "DeleteCertificate": _LOCKED_OUT,
    "ExtendedTriggerMessage": _BOOT,
    "GetDiagnostics": _PASSWORD,
    "GetLog": _PASSWORD,
    "InstallCertificate": _LOCKED_OUT,
    "RemoteStartTransaction": "Accepted means that the charge point will try, not that somebody is "
    "charging: the transaction comes later, or never.",
    "RemoteStopTransaction": "The transaction ends with the charge point's StopTransaction, which "
    "comes later.",
    "Reset": "Warning: all transactions are stopped. A charge point is to stop them and to queue "
    "what it has to report first, but a Hard reset may lose that queue (errata, 3.36). Here they "
    "stay open until there is evidence of their end.",
    "SendLocalList": "The charge point compares versions: see GetLocalListVersion.",
    "SignedUpdateFirmware": "The charge point may restart, and stop charging for it.",
    "TriggerMessage": _BOOT,
    "UnlockConnector": "Warning: a running transaction at the connector is stopped first.",
    "UpdateFirmware": f"The charge point may restart, and stop charging for it. {_PASSWORD}",
}
"""What whoever sends an action should know before."""
