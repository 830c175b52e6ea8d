"""Which schemas need no migration: the same files as last time, and the revision that they led to."""

import hashlib
import importlib.util
from pathlib import Path

from flowtask_contracts.topology import FLOWTASK

from .errors import LocalError
from .files import read_object, write_json
from .postgres import EmbeddedPostgres
from .services import ServiceSpec


class Schemas:
    """Remembers for each service a fingerprint of its migration files and the revision they brought the schema to."""

    def __init__(self, path: Path, postgres: EmbeddedPostgres, database: str) -> None:
        self._path = path
        self._postgres = postgres
        self._database = database
        self._kept = read_object(path)

    def current(self, spec: ServiceSpec) -> bool:
        """True when running the migrations of this service would change nothing; False also when that is not known."""
        kept = self._kept.get(spec.name)
        return kept is not None and kept == self._state(spec)

    def keep(self, spec: ServiceSpec) -> None:
        """Remember that the schema of this service is at the newest version of its files."""
        state = self._state(spec)
        if state is not None:
            self._kept[spec.name] = state
            write_json(self._path, self._kept)

    def _state(self, spec: ServiceSpec) -> dict[str, str] | None:
        fingerprint = _fingerprint(spec.package)
        if fingerprint is None:
            return None
        schema = FLOWTASK.service(spec.name).schema
        try:
            revision = self._postgres.sql(
                f"SELECT version_num FROM {schema}.alembic_version",  # noqa: S608 - a name of our own topology
                database=self._database,
            )
        except LocalError:  # there is no such table yet
            return None
        return {"files": fingerprint, "revision": revision.strip()}


def _fingerprint(package: str) -> str | None:
    """A hash over the names and contents of a package's migrations; None when it has none."""
    found = importlib.util.find_spec(package)
    folders = [] if found is None else [Path(place) / "migrations" for place in found.submodule_search_locations or ()]
    files = sorted((file for folder in folders for file in folder.glob("*.py")), key=lambda file: file.name)
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest() if files else None
