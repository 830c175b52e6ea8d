from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtask_webhook_dispatcher.transport import InvalidUrl, parse_url


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "host_header"),
    [
        ("https://example.com", "example.com", 443, b"/", b"example.com"),
        ("HTTPS://Example.COM/Hook", "example.com", 443, b"/Hook", b"example.com"),
        ("https://example.com:8443/a/b?c=d&e=%20", "example.com", 8443, b"/a/b?c=d&e=%20", b"example.com:8443"),
        ("https://example.com:443/", "example.com", 443, b"/", b"example.com"),
        ("https://example.com?x=1", "example.com", 443, b"/?x=1", b"example.com"),
        ("https://example.com./x", "example.com", 443, b"/x", b"example.com"),
        ("https://my_host-1/x", "my_host-1", 443, b"/x", b"my_host-1"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, b"/", b"xn--bcher-kva.example"),
        ("https://1.1.1.1:65535/", "1.1.1.1", 65535, b"/", b"1.1.1.1:65535"),
        ("https://[2606:4700::1111]/", "2606:4700::1111", 443, b"/", b"[2606:4700::1111]"),
        ("https://[2606:4700:0::1111]:1/", "2606:4700::1111", 1, b"/", b"[2606:4700::1111]:1"),
        ("https://3com.example/", "3com.example", 443, b"/", b"3com.example"),
        ("https://example.com/bücher?q=ü", "example.com", 443, b"/b%C3%BCcher?q=%C3%BC", b"example.com"),
        ('https://example.com/"<>^`{|}', "example.com", 443, b"/%22%3C%3E%5E%60%7B%7C%7D", b"example.com"),
        ("https://example.com//a/../b;c=1?d[]=2", "example.com", 443, b"//a/../b;c=1?d[]=2", b"example.com"),
    ],
)
def test_a_url_becomes_what_the_request_says(url, host, port, path, host_header):
    target = parse_url(url)
    assert (target.scheme, target.host, target.port) == ("https", host, port)
    assert target.path_and_query == path
    assert target.host_header == host_header
    assert target.request_start == b"POST " + path + b" HTTP/1.1\r\nHost: " + host_header + b"\r\n"


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "//example.com/", "https:/example.com", "https:example.com", "https://", "https:///path",
        "https://?q", "https://.", "https://:443/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
        "javascript://example.com/", "unix:///var/run/docker.sock", "http://example.com/", " https://example.com/",
        "https://user@example.com/", "https://user:secret@example.com/", "https://@example.com/", "https://example.com@10.0.0.1/",
        "https://example.com/#top", "https://example.com#", "https://example.com/a b", "https://example.com/a\tb",
        "https://example.com/\r\nX-Evil: 1", "https://exa\nmple.com/", "https://example.com/\0", "https://example.com/\x7f",
        "https://example.com/\u2028", "https://example.com/\ud800", "https://example.com\\@10.0.0.1/", "https://example.com/\\",
        "https://example.com:/", "https://example.com:0/", "https://example.com:65536/", "https://example.com:99999/",
        "https://example.com:123456/", "https://example.com:-1/", "https://example.com:4٣/", "https://example.com:1:2/",
        "https://exa mple.com/", "https://-example.com/", "https://example-.com/", "https://a..b/", "https://.a.b/",
        "https://a.b../", f"https://{'a' * 64}.com/", f"https://{'a.' * 127}com/", "https://exa%6dple.com/",
        "https://bücher.example/", "https://\uff11\uff12\uff17.0.0.1/", "https://127。0。0。1/", "https://ⓛocalhost/",
        "https://[::1/", "https://::1/", "https://[::1]x/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/",
        "https://[v1.x]/", "https://[]/", "https://[127.0.0.1]/", "https://a[::1]/", "https://[::1]:/",
        f"https://example.com/{'a' * 2048}", f"https://example.com/{'ü' * 700}",
    ],
)  # fmt: skip
def test_what_cannot_be_a_receiver_is_refused(url):
    with pytest.raises(InvalidUrl):
        parse_url(url)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "0x7f000001", "017700000001", "127.1", "127.0.1", "0x7f.1", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.01",
        "127.0.0.0x1", "256.0.0.1", "1.2.3.4.5", "127.0.0.1..", "00.0.0.0", "0", "0x", "4294967296", "a.1", "example.0x7f",
    ],
)  # fmt: skip
def test_a_host_that_could_be_read_as_another_address_is_refused(host):
    with pytest.raises(InvalidUrl):
        parse_url(f"https://{host}/")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]"]
)
def test_a_plain_literal_is_parsed_so_that_the_policy_can_judge_it(host):
    assert parse_url(f"https://{host}/").address == ip_address(host.strip("[]"))


def test_http_needs_permission():
    with pytest.raises(InvalidUrl, match="https://"):
        parse_url("http://example.com/")
    assert parse_url("http://example.com/", allow_http=True).port == 80
    with pytest.raises(InvalidUrl):
        parse_url("http://example.com/")


def test_a_url_is_parsed_once():
    assert parse_url("https://example.com/once") is parse_url("https://example.com/once")


def test_origins_differ_by_scheme_host_and_port():
    urls = ["https://a.example/", "http://a.example:443/", "https://b.example/", "https://a.example:444/"]
    assert len({parse_url(url, allow_http=True).origin for url in urls}) == 4
    assert parse_url("https://a.example/1").origin == parse_url("https://A.example:443/2").origin


@given(st.text() | st.text(alphabet="htps:/@[]#?.%\\\r\n 0x1a\u00fc-_").map(lambda rest: f"https://{rest}"))
def test_any_text_is_a_clean_target_or_an_invalid_url(text):
    try:
        target = parse_url(text)
    except InvalidUrl:
        return
    for line in (target.path_and_query, target.host_header):
        assert all(0x20 < byte < 0x7F for byte in line)
    assert target.host
    assert b"@" not in target.host_header
    assert target.request_start.count(b"\n") == 2
