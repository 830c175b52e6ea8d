"""What each process is told, and nothing more: a service's secrets reach that service alone."""

import json
import os
from collections.abc import Mapping

from flowtask_contracts.topology import FLOWTASK

from . import credentials as provider_credentials
from .keys import Keys
from .nats import EmbeddedNats
from .ports import HOST
from .postgres import EmbeddedPostgres
from .services import ServiceSpec

DATABASE = "flowtask"


def bare() -> dict[str, str]:
    """What every process gets: where programs are, a home and UTF-8, and nothing else of the shell that started us."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }


def for_service(
    spec: ServiceSpec,
    keys: Keys,
    postgres: EmbeddedPostgres,
    nats: EmbeddedNats,
    *,
    credentials: Mapping[str, str],
    log_level: str,
) -> dict[str, str]:
    """Everything a service is told except its port."""
    return {
        **bare(),
        "FLOWTASK_DATABASE_URL": postgres.url(DATABASE, user=spec.role, password=keys.role(spec.name)),
        "FLOWTASK_NATS_URL": nats.url(spec.name, keys.bus(spec.name)),
        "FLOWTASK_HOST": HOST,
        "FLOWTASK_LOG_LEVEL": log_level,
        **spec.extra_env(keys),
        **provider_credentials.for_service(spec.name, credentials),
    }


def for_bootstrap(keys: Keys, postgres: EmbeddedPostgres, nats: EmbeddedNats) -> dict[str, str]:
    """The administrator's URLs and the passwords that the roles get."""
    roles = {service.name: keys.role(service.name) for service in FLOWTASK.services}
    return {
        **bare(),
        "FLOWTASK_BOOTSTRAP_DATABASE_URL": postgres.url(DATABASE),
        "FLOWTASK_BOOTSTRAP_NATS_URL": nats.url("admin", keys.nats_admin),
        "FLOWTASK_BOOTSTRAP_ROLE_PASSWORDS": json.dumps(roles),
    }


def authorization(keys: Keys) -> str:
    """The users of the NATS server and what each may say and hear."""
    from flowtask_kit.bootstrap.nats import nats_authorization  # noqa: PLC0415 - a third of a second that `down` saves

    passwords = {service.name: keys.bus(service.name) for service in FLOWTASK.services}
    return nats_authorization(FLOWTASK, passwords, admin_password=keys.nats_admin)
