"""What an attacker may type or have a name server say, and that none of it opens a connection anywhere.

Every case is tried straight and through an egress proxy. Whatever address is dialled straight would have to be a loopback
one to be seen here, but the proxy sees each dial: `asked_for` stays empty. Each test ends with the same client, or the same
name, getting through once it asks for what is allowed.
"""

import pytest

from flowtask_webhook_dispatcher.transport import (
    AddressPolicy,
    Admission,
    Failure,
    InvalidUrl,
    TransportError,
    parse_proxy,
    parse_url,
)

PUBLIC_V4, PUBLIC_V6 = "8.8.8.8", "2606:4700::1111"

SPECIAL = [
    # IPv4: this network, private, shared, loopback, link local, metadata of clouds
    "0.0.0.0", "0.1.2.3", "0.255.255.255", "10.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.0", "100.100.100.200",
    "100.127.255.255", "127.0.0.0", "127.0.0.1", "127.0.0.53", "127.1.2.3", "127.255.255.255", "169.254.0.1", "169.254.169.254",
    "169.254.170.2", "169.254.170.23", "169.254.169.253", "169.254.255.255", "172.16.0.0", "172.17.0.1", "172.31.255.255",
    "192.168.0.0", "192.168.1.1", "192.168.255.255", "168.63.129.16", "192.0.0.192",
    # IPv4: protocol assignments, documentation, relays, benchmarking, multicast, reserved, broadcast
    "192.0.0.0", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.255", "192.0.2.1", "192.31.196.1", "192.52.193.1",
    "192.88.99.1", "192.175.48.1", "198.18.0.0", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.0", "255.255.255.254", "255.255.255.255",
    # IPv6: unspecified, loopback, unique and link local, site local, metadata of clouds
    "::", "::1", "::2", "fc00::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "fdff:ffff::1", "fe80::1", "febf:ffff::1", "fec0::1",
    # IPv6 that carries IPv4: mapped, translated, compatible, NAT64, 6to4, Teredo, ISATAP
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "::ffff:0:10.0.0.1", "::127.0.0.1", "::10.0.0.1", "::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe",
    "64:ff9b::8.8.8.8", "64:ff9b:1::10.0.0.1", "64:ff9b:1:ffff::1", "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1",
    "2002:808:808::1", "2001::1", "2001:0:7f00:1::", "2001:0:808:808::f5ff:fffe", "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:127.0.0.1",
    # IPv6: discard, protocol assignments, documentation, SRv6, returned, multicast, and what is no global unicast
    "100::1", "100:0:0:1::1", "2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1", "2001:30::1",
    "2001:db8::1", "2620:4f:8000::1", "3ffe::1", "3fff::1", "5f00::1", "ff02::1", "ff0e::1", "200::1", "4000::1", "8000::1", "e000::1",
]  # fmt: skip

SPELLINGS = [
    # one address in other clothes: octal, hexadecimal, decimal, shortened, padded, overflowing
    "http://0177.0.0.1/", "http://0177.0.0.01/", "http://00000177.0.0.1/", "http://0x7f.0.0.1/", "http://0x7f000001/", "http://0x7F.1/",
    "http://0x7f.0x0.0x0.0x1/", "http://2130706433/", "http://017700000001/", "http://127.1/", "http://127.0.1/", "http://127.0.0.01/",
    "http://127.0.0.001/", "http://127.0x0.1/", "http://0/", "http://00/", "http://0x0/", "http://127.0.0.1./", "http://127.0.0.1../",
    "http://4294967297/", "http://127.0.0.257/", "http://10.1/", "http://192.168.257/", "http://0xa9fea9fe/", "http://2852039166/",
    "http://0251.0376.0251.0376/", "http://169.254.43518/", "http://1.2.3/", "http://a.127/", "http://127.0.0.1.0x7f/",
    # names of this machine
    "http://localhost./", "http://LOCALHOST/", "http://localhost:80/",
    # another host than the reader believes
    "http://8.8.8.8@127.0.0.1/", "http://127.0.0.1@8.8.8.8/", "http://user:pass@127.0.0.1/", "http://hooks.example@127.0.0.1:80/",
    "http://127.0.0.1:80@hooks.example/", "http://@127.0.0.1/", "http://hooks.example:80:@127.0.0.1/", "http://hooks.example\\@127.0.0.1/",
    "http:\\\\127.0.0.1\\", "http:/\\127.0.0.1/", "http://127.0.0.1\\.hooks.example/", "http://hooks.example#@127.0.0.1/",
    "http://127.0.0.1#.hooks.example/", "http://127.0.0.1%00.hooks.example/", "http://127.0.0.1\0.hooks.example/",
    "http://127.0.0.1%2f.hooks.example/", "http://127.0.0.1\t.hooks.example/", "http://127.0.0.1\r\nHost: x/", "http://127.0.0.1 .hooks.example/",
    "http://hooks.example:80#@127.0.0.1:80/", "http://hooks.example;@127.0.0.1/", "http:127.0.0.1/", "http:///127.0.0.1/", "//127.0.0.1/",
    # letters and digits that become others
    "http://\uff11\uff12\uff17.0.0.1/", "http://127\u30020\u30020\u30021/", "http://127\uff0e0\uff0e0\uff0e1/", "http://\u2460\u2461\u2466.0.0.1/",
    "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/", "http://\uff4cocalhost/", "http://loc\u00adalhost/",
    "http://\u0661\u0662\u0667.0.0.1/", "http://127.0.0.1\u200b/", "http://%31%32%37.0.0.1/", "http://%6c%6f%63%61%6c%68%6f%73%74/",
    # brackets, zones
    "http://[::1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::ffff:127.0.0.1]/", "http://[::1%25lo]/", "http://[::1%lo]/", "http://[fe80::1%251]/",
    "http://[fe80::1%25eth0]/", "http://[2606:4700::1111%25eth0]/", "http://[127.0.0.1]/", "http://[::1]hooks.example/", "http://[::1/",
    "http://::1/", "http://[[::1]]/", "http://[::1].hooks.example/", "http://[::ffff:0x7f.0.0.1]/", "http://[v1.127.0.0.1]/",
    # schemes
    "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1/", "unix:///run/docker.sock",
    "javascript:fetch(1)", "data:text/plain,x", "jar:http://127.0.0.1!/", "url:http://127.0.0.1/", "ws://127.0.0.1/", " http://127.0.0.1/",
]  # fmt: skip

ANSWERS = [
    *([address] for address in SPECIAL),
    [PUBLIC_V4, "127.0.0.1"], ["127.0.0.1", PUBLIC_V4], [PUBLIC_V4, "10.0.0.1", "1.1.1.1"], [PUBLIC_V4, "::1"], [PUBLIC_V6, "169.254.169.254"],
    [PUBLIC_V4, "::ffff:8.8.8.8"], [PUBLIC_V4, PUBLIC_V6, "fd00:ec2::254"], ["1.1.1.1"] * 20 + ["192.168.0.1"], [PUBLIC_V6, "64:ff9b::7f00:1"],
    ["fe80::1%eth0"], [PUBLIC_V6 + "%1"], ["127.1"], ["0x7f000001"], ["0177.0.0.1"], ["localhost"], [""], ["8.8.8.8:80"], [" 8.8.8.8"],
    ["8.8.8.8\n"], ["8.8.8.8/32"], ["\uff18.8.8.8"], ["[::1]"],
]  # fmt: skip

PORTS = [
    1,
    21,
    22,
    23,
    25,
    53,
    79,
    81,
    110,
    135,
    389,
    442,
    444,
    445,
    2375,
    3306,
    5432,
    5672,
    6379,
    8080,
    8443,
    9200,
    11211,
    65535,
]


class Names:
    """A name server: each lookup of any name takes the next answer, the last one stays."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def __call__(self, host, _port):
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
async def world(make_client, receive, connect_proxy, ok):
    """A receiver that stands behind every address there is, and two clients of a public installation: straight, and through
    the proxy. `refused` wants a refusal of both, and when saving; `passes` wants the proxied one to get there."""
    receiver = await receive(ok)
    proxy = await connect_proxy(default=receiver.port)

    class World:
        names = Names([PUBLIC_V4])
        connections = property(lambda _self: receiver.connections)
        asked_for = property(lambda _self: proxy.asked_for)

        def clients(self, **options):
            named = {"policy": AddressPolicy(), "ports": (), "resolve": self.names, **options}
            return make_client(**named), make_client(**named, proxy=parse_proxy(proxy.url))

        async def refused(self, url, **options):
            objection = await Admission(AddressPolicy(), allow_http=True, resolve=self.names).objection(url)
            assert objection is not None
            try:
                target = parse_url(url, allow_http=True)
            except InvalidUrl as refusal:
                return str(refusal)
            for client in self.clients(**options):
                with pytest.raises(TransportError) as caught:
                    await client.post(target, [], b"x", timeout=5)
                assert caught.value.kind.final
                assert not caught.value.kind.ours
                assert caught.value.message == objection
            assert (self.connections, self.asked_for) == (0, [])
            return objection

        async def passes(self, url, dialled):
            assert await Admission(AddressPolicy(), allow_http=True, resolve=self.names).objection(url) is None
            _, proxied = self.clients()
            answer = await proxied.post(parse_url(url, allow_http=True), [], b"x", timeout=5)
            assert (answer.status, self.connections, self.asked_for) == (200, 1, [dialled])

    return World()


@pytest.mark.parametrize("address", SPECIAL)
async def test_a_special_address_in_the_url_is_never_dialled(world, address):
    shown = f"[{address}]" if ":" in address else address
    assert "Webhooks may not go to the address" in await world.refused(f"http://{shown}/")
    await world.passes(f"http://{PUBLIC_V4}/", b"8.8.8.8:80")


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: ascii(answer[-1]))
async def test_a_name_with_such_an_address_is_never_dialled_and_the_address_not_told(world, answer):
    world.names.answers = [answer]
    objection = await world.refused("http://hooks.example/")
    assert objection == "The host name resolves to an address that webhooks may not go to."
    world.names.answers = [[PUBLIC_V6]]
    await world.passes("http://hooks.example/", b"[2606:4700::1111]:80")


@pytest.mark.parametrize("url", SPELLINGS, ids=ascii)
async def test_a_url_that_could_mean_an_inner_address_is_refused(world, url):
    world.names.answers = [["127.0.0.1"]]
    await world.refused(url)
    world.names.answers = [[PUBLIC_V4]]
    await world.passes("http://hooks.example/", b"8.8.8.8:80")


@pytest.mark.parametrize("port", PORTS)
async def test_a_port_that_is_not_allowed_is_never_dialled(world, port):
    for host in (PUBLIC_V4, "hooks.example", "127.0.0.1"):
        objection = await world.refused(f"http://{host}:{port}/")
        assert objection == f"Webhooks may not go to port {port}, only to 443 and 80."
    assert world.names.asked == []
    await world.passes("http://hooks.example:443/", b"8.8.8.8:443")


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254"])
async def test_a_name_that_turns_between_saving_and_sending_is_caught_when_it_is_dialled(world, address):
    world.names.answers = [[PUBLIC_V4], [address]]
    assert await Admission(AddressPolicy(), resolve=world.names).objection("https://hooks.example/") is None
    for client in world.clients():
        with pytest.raises(TransportError) as caught:
            await client.post(parse_url("https://hooks.example/"), [], b"x", timeout=5)
        assert caught.value.kind is Failure.FORBIDDEN_ADDRESS
    assert (world.connections, world.asked_for) == (0, [])


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254"])
async def test_a_name_that_turns_between_the_check_and_the_connection_is_asked_once(world, address):
    world.names.answers = [[PUBLIC_V4], [address]]
    _, proxied = world.clients()
    assert (await proxied.post(parse_url("http://hooks.example/", allow_http=True), [], b"x", timeout=5)).status == 200
    assert (world.asked_for, len(world.names.asked)) == ([b"8.8.8.8:80"], 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["http://127.0.0.1/", "http://169.254.169.254/latest/meta-data/", "//10.0.0.1/", "/inner"]
)
async def test_no_redirect_leads_inside(make_client, receive, connect_proxy, status, location):
    receiver = await receive(
        f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    proxy = await connect_proxy(default=receiver.port)
    client = make_client(AddressPolicy(), resolve=Names([PUBLIC_V4]), proxy=parse_proxy(proxy.url))
    for _ in range(2):
        answer = await client.post(parse_url("http://hooks.example/", allow_http=True), [], b"x", timeout=5)
        assert answer.status == status
    assert (proxy.asked_for, [request.split()[1] for request in receiver.requests]) == ([b"8.8.8.8:80"], [b"/", b"/"])


def test_the_table_is_long():
    assert len(SPECIAL) + len(ANSWERS) + len(SPELLINGS) + len(PORTS) > 300
