from flowtask_local import credentials
from flowtask_local.credentials import OWNERS


def test_the_file_is_read_as_people_write_it(tmp_path):
    path = tmp_path / ".env"
    path.write_text(
        "# payments\n"
        "export STRIPE_SECRET_KEY='sk_test #1'  # the key\n"
        'RESEND_API_KEY = "re_1"\n'
        "OPENAI_API_KEY=sk-2 # note\n"
        "SLACK_CLIENT_ID=\n"
        "SLACK_CLIENT_SECRET=  # no service reads it yet\n"
        "CLERK_SECRET_KEY=a#b=c\n"
        "UNKNOWN=x\n"
        "not an assignment\n"
    )

    assert credentials.read_env_file(path) == {
        "STRIPE_SECRET_KEY": "sk_test #1",
        "RESEND_API_KEY": "re_1",
        "OPENAI_API_KEY": "sk-2",
        "CLERK_SECRET_KEY": "a#b=c",
    }


def test_without_a_file_there_are_no_credentials(tmp_path):
    assert credentials.read_env_file(tmp_path / ".env") == {}


def test_every_credential_has_exactly_one_owner():
    names = [name for owned in OWNERS.values() for name in owned]

    assert len(names) == len(set(names))


def test_a_service_receives_what_is_its_own_and_what_it_reads():
    found = {"CLERK_SECRET_KEY": "1", "STRIPE_SECRET_KEY": "2"}
    read = {"CLERK_SECRET_KEY", "RESEND_API_KEY"}

    assert credentials.for_service("api", found, read=read) == {"CLERK_SECRET_KEY": "1"}
    assert credentials.for_service("webhook-dispatcher", found, read=read) == {}
    assert credentials.for_service("billing", found, read=read) == {}, "nobody receives what nobody reads"
    assert credentials.unread(found, read=read) == ["STRIPE_SECRET_KEY"]
