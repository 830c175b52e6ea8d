"""Questions about projects; a hidden one answers none of them."""

from uuid import UUID

from sqlalchemy import Select, select

from .models import Project


def projects(workspace_id: UUID, *, descending: bool) -> Select[Project]:
    """A workspace's projects by time of creation."""
    visible = select(Project).where(Project.workspace_id == workspace_id, Project.deleted_at.is_(None))
    if descending:
        return visible.order_by(Project.created_at.desc(), Project.id.desc())
    return visible.order_by(Project.created_at, Project.id)


def project(workspace_id: UUID, project_id: UUID) -> Select[Project]:
    """One project."""
    return select(Project).where(
        Project.workspace_id == workspace_id, Project.id == project_id, Project.deleted_at.is_(None)
    )
