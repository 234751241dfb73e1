"""Where Kafka is and how a client gets in, in one setting.

    broker-1:9092,broker-2:9092                           in the clear, as on one machine
    sasl_plaintext://user:password@kafka:9092             a password, as between containers of one host
    sasl_ssl://user:password@kafka:9093?ca=/etc/ca.crt    a password over TLS
    ssl://kafka:9093?ca=/etc/ca.crt&certificate=/etc/user.crt&key=/etc/user.key

A password's special characters are percent-encoded. `mechanism=PLAIN` or `SCRAM-SHA-256` says that it is not
SCRAM-SHA-512. Settings: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from contracts.errors import ConfigurationError

_PROTOCOLS = frozenset({"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"})
_OPTIONS = {
    "ca": "ssl.ca.location",
    "certificate": "ssl.certificate.location",
    "key": "ssl.key.location",
    "mechanism": "sasl.mechanism",
}
_MECHANISMS = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})


def connection(address: str) -> dict[str, Any]:
    """librdkafka's settings for a client that is to reach this address.

    Raises:
        ConfigurationError: the address does not have one of the forms above. The message tells no password.
    """
    if "://" not in address:
        return {"bootstrap.servers": address}
    protocol, _, rest = address.partition("://")
    url = urlsplit(f"//{rest}")  # A URL's scheme has no underscore for it.
    if protocol not in _PROTOCOLS:
        raise _unusable(f"'{protocol}' is none of {', '.join(sorted(_PROTOCOLS))}")
    login, _, hosts = url.netloc.rpartition("@")
    user, _, password = login.partition(":")
    if not hosts or url.path.strip("/"):
        raise _unusable("after the login come host:port pairs, and no path")
    settings: dict[str, Any] = {"bootstrap.servers": hosts, "security.protocol": protocol}
    if protocol.startswith("sasl_"):
        if not (user and password):
            raise _unusable(f"{protocol} needs user:password@ before the hosts")
        login_settings = {"sasl.username": unquote(user), "sasl.password": unquote(password)}
        settings |= {"sasl.mechanism": "SCRAM-SHA-512", **login_settings}
    elif login:
        raise _unusable(f"{protocol} takes no user and password")
    return settings | _options(url.query, protocol)


def _options(query: str, protocol: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            raise _unusable(f"'{name}' is none of the options {', '.join(_OPTIONS)}")
        if name == "mechanism" and (value not in _MECHANISMS or not protocol.startswith("sasl_")):
            raise _unusable(f"a mechanism is one of {', '.join(sorted(_MECHANISMS))}, for sasl_* only")
        if name != "mechanism" and not protocol.endswith("ssl"):
            raise _unusable(f"'{name}' belongs to ssl and sasl_ssl only")
        found[_OPTIONS[name]] = value
    return found


def _unusable(why: str) -> ConfigurationError:
    return ConfigurationError(f"TRIREME_KAFKA_BOOTSTRAP cannot be used: {why}.")
