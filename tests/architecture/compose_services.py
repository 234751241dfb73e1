"""The services of docker-compose.yml with their settings, as tests ask about them."""

from __future__ import annotations

from typing import Any

from gateway.settings import GatewaySettings
from index_service.settings import IndexSettings
from ingest.settings import JointUpdaterSettings, TextEmbedderSettings, VisionEmbedderSettings, WebhookSettings
from runtime.settings import ProcessSettings, load_settings
from stack.bootstrap import BootstrapSettings
from tests.architecture.compose_file import load

SECRETS = {
    "TRIREME_API_KEYS": "first-key-of-sixteen,second-key-of-sixteen",
    "TRIREME_LINK_SECRET": "a-secret-of-sixteen-or-more",
    "REDIS_PASSWORD": "redispassword",
    "KAFKA_PASSWORD": "kafkapassword",
    "WEBHOOK_TOKEN": "a-token-of-sixteen-or-more",
    "GRAFANA_PASSWORD": "grafanapassword",
    "S3_ACCESS_KEY": "accesskey",
    "S3_SECRET_KEY": "secretkey",
    "TRITON_ADMIN_KEY": "adminkey",
    "TRIREME_GENERATION": "0123456789ab-3",
}
SETTINGS_OF: dict[str, type[ProcessSettings]] = {
    "stack.bootstrap": BootstrapSettings,
    "index_service": IndexSettings,
    "ingest.text_embedder": TextEmbedderSettings,
    "ingest.vision_embedder": VisionEmbedderSettings,
    "ingest.joint_updater": JointUpdaterSettings,
    "ingest.webhook": WebhookSettings,
    "gateway": GatewaySettings,
}
COMPOSE = load(SECRETS)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {
    name: service for name, service in SERVICES.items() if service.get("command", [""])[:2] == ["python", "-m"]
}


def settings_of(service: dict[str, Any]) -> ProcessSettings:
    return load_settings(SETTINGS_OF[service["command"][2]], service["environment"])


def names_of(name: str) -> list[str]:
    """Names under which the others reach a service."""
    networks = SERVICES[name]["networks"]
    return [name, *(networks["inside"].get("aliases", []) if isinstance(networks, dict) else [])]


def active(*profiles: str) -> set[str]:
    """Services that `docker compose --profile ...` starts."""
    return {n for n, each in SERVICES.items() if not each.get("profiles") or set(each["profiles"]) & set(profiles)}
