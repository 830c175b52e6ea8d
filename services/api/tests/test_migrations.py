from flowtask_api.app import create_app
from flowtask_api.database import MIGRATIONS


def test_the_models_are_what_the_migrations_made(databases):
    assert create_app.__module__ == "flowtask_api.app"  # it imports every model
    MIGRATIONS.check(databases.api)


def test_migrating_again_changes_nothing(databases):
    MIGRATIONS.upgrade(databases.api)
    MIGRATIONS.check(databases.api)
