"""Projects as callers send them."""

from enum import StrEnum

from pydantic import Field

from ..http.paging import PageQuery
from ..http.schemas import Body, Description, Name


class CreateProject(Body):
    """A new project."""

    name: Name = Field(examples=["Website relaunch"])
    description: Description | None = Field(
        default=None, examples=["Everything that has to be there on the first of December."]
    )


class UpdateProject(Body):
    """The fields to change; those left out stay as they are."""

    name: Name = Field(default_factory=str, examples=["Website relaunch, second try"])
    description: Description | None = None


class ProjectSort(StrEnum):
    """Orders of a project list; `-` is descending."""

    CREATED = "createdAt"
    NEWEST = "-createdAt"


class ListProjects(PageQuery):
    """Which projects to list, and how."""

    sort: ProjectSort = Field(default=ProjectSort.NEWEST, description="Order of the list; `-` is descending.")

    @property
    def descending(self) -> bool:
        """Whether the newest come first."""
        return self.sort is ProjectSort.NEWEST
