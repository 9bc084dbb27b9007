# SPDX-License-Identifier: Apache-2.0
"""TLS on the port for Redis clients: real clients, certificates that change, and those that mean no good."""
import os
import signal
import socket
import ssl
import subprocess
import time

import limits
import real_clients
import support
import wire


def make_certificates(folder):
    """An authority, a server's certificate of it, a second one, and a client's."""
    openssl, = support.need("openssl")

    def run(*words):
        done = support.run([openssl, *words], cwd=folder)
        assert done.returncode == 0, support.shown(done)

    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
        "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("server", "second", "client"):
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days",
            "30", "-copy_extensions", "copy", "-out", f"{name}.pem")


class Client(wire.Client):
    """A client over TLS, whose certificate of the server is checked."""

    def __init__(self, port, folder, certificate=None):
        super().__init__(port)
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        if certificate:
            context.load_cert_chain(str(folder / f"{certificate}.pem"), str(folder / f"{certificate}.key"))
        self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")

    def name_of_server(self):
        return dict(pair[0] for pair in self.socket.getpeercert()["subject"])["commonName"]


def tls_store(folder, *flags, **options):
    return wire.store("--server.tls_port=0", f"--server.tls_cert={folder}/server.pem",
                      f"--server.tls_key={folder}/server.key", *flags, **options)


def test_clients_talk_over_tls(folder):
    make_certificates(folder)
    for threads in ("--server.threads=1", "--server.threads=2"):
        with tls_store(folder, threads) as server, Client(server.tls_port, folder) as client:
            assert client.ask("SET", "k", "v") == "OK" and client.ask("GET", "k") == b"v"
            big = b"x" * 5_000_000
            assert client.ask("SET", "big", big) == "OK" and client.ask("GET", "big") == big
            client.socket.sendall(b"".join(client.packed("SET", f"k{i}", "v" * 300) for i in range(5000)))
            assert all(client.read() == "OK" for _ in range(5000))
            client.socket.sendall(client.packed("GET", "big") * 4)  # more than sockets hold
            time.sleep(0.3)
            assert all(client.read() == big for _ in range(4))
            with server.client() as plain:
                assert plain.ask("DBSIZE") == 5002
            for byte in client.packed("PING"):
                client.socket.sendall(bytes([byte]))
            assert client.read() == "PONG"


def test_tls_may_be_the_only_way_in(folder):
    make_certificates(folder)
    with tls_store(folder, "--server.resp_port=off", "--server.threads=2") as server:
        with Client(server.tls_port, folder) as client:
            assert client.ask("SET", "k", "v") == "OK" and client.ask("GET", "k") == b"v"
            assert client.ask("CONFIG", "GET", "port") == [b"port", b"0"]
            assert client.ask("CONFIG", "GET", "server.resp_port") == [b"server.resp_port", b"off"]
            assert b"tcp_port:0\r\n" in client.ask("INFO", "server")


def test_tools_and_libraries_talk_over_tls(folder):
    make_certificates(folder)
    cli, openssl = support.need("redis-cli", "openssl")
    with tls_store(folder) as server:
        done = support.run([cli, "--tls", "--cacert", folder / "ca.pem", "-p", server.tls_port, "SET", "k", "v"])
        assert done.stdout == "OK\n", support.shown(done)
        done = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{server.tls_port}", "-CAfile",
                               folder / "ca.pem", "-quiet", "-verify_return_error"], input="GET k\r\nQUIT\r\n",
                              text=True, capture_output=True, timeout=60, check=False)
        assert "$1\nv\n+OK" in done.stdout.replace("\r", ""), support.shown(done)
        for old in ("-tls1", "-tls1_1"):
            done = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{server.tls_port}", old], input="",
                                  text=True, capture_output=True, timeout=60, check=False)
            assert done.returncode != 0, f"{old} was taken"
        script = ("import redis, sys\n"
                  f"r = redis.Redis(port={server.tls_port}, ssl=True, ssl_ca_certs='{folder}/ca.pem')\n"
                  "r.set('k', 'python'); assert r.get('k') == b'python'\n"
                  "p = r.pipeline(); [p.incr('n') for _ in range(1000)]; assert p.execute()[-1] == 1000\n")
        done = support.run([support.sys.executable, "-c", script])
        if "No module named 'redis'" not in done.stderr:
            assert done.returncode == 0, support.shown(done)


def test_a_backup_is_made_over_tls_by_a_user_with_a_password(folder):
    make_certificates(folder)

    def backup(server, *words, password="secret", expect=0):
        return support.ullage("backup", folder / "copy", "--port", server.tls_port, "--tls", *words, expect=expect,
                              env={**os.environ, "ULLAGE_PASSWORD": password})

    with tls_store(folder, f"--persistence.directory={folder}/data", f"--server.tls_ca={folder}/ca.pem",
                   "--server.tls_auth_clients=yes", "--server.bind=0.0.0.0") as server:
        with server.client() as plain:
            plain.ask("SET", "k", "v")
            plain.ask("ACL", "SETUSER", "keeper", "on", ">secret", "allkeys", "+@all")
        mine = ("--user", "keeper", "--cert", folder / "client.pem", "--key", folder / "client.key")
        trusts = ("--cacert", folder / "ca.pem")
        for words, problem in ((mine, "TLS failed"), (trusts, ""), ((*mine, *trusts, "--host", "127.0.0.2"), "TLS failed"),
                               ((*mine, "--cacert", "/nowhere.pem"), "/nowhere.pem: can't be read")):
            done = backup(server, *words, expect=3)
            assert problem in done.stderr, support.shown(done)
        done = backup(server, *mine, *trusts, password="wrong", expect=3)
        assert "WRONGPASS" in done.stderr, support.shown(done)
        done = backup(server, *mine, *trusts)
        assert "whole" in done.stdout, support.shown(done)
    support.ullage("restore", folder / "copy", "--to", folder / "again")
    with wire.store(f"--persistence.directory={folder}/again") as store, store.client() as client:
        assert client.ask("GET", "k") == b"v"


def test_node_s_clients_talk_over_tls(folder):
    make_certificates(folder)
    node, modules = real_clients.node_modules()
    with tls_store(folder, "--server.requirepass=secret") as server:
        script = """
const fs = require("fs"), [port, ca] = process.argv.slice(1);
const tls = { ca: fs.readFileSync(ca), host: "127.0.0.1" };
(async () => {
  const Redis = require("ioredis");
  const one = new Redis({ host: "127.0.0.1", port, tls, password: "secret" });
  await one.set("k", "ioredis");
  if ((await one.get("k")) !== "ioredis") throw new Error("ioredis");
  one.disconnect();
  const { createClient } = require("redis");
  const two = createClient({ password: "secret", socket: { host: "127.0.0.1", port: +port, tls: true, ca: tls.ca } });
  await two.connect();
  if ((await two.get("k")) !== "ioredis") throw new Error("node-redis");
  await (two.close ? two.close() : two.quit());
})().catch((problem) => { console.error(problem); process.exit(1); });
"""
        done = support.run([node, "-e", script, server.tls_port, folder / "ca.pem"],
                           env={**support.os.environ, "NODE_PATH": str(modules)})
        assert done.returncode == 0, support.shown(done)


def test_certificates_of_clients_are_asked_for(folder):
    make_certificates(folder)
    other = folder / "other"
    other.mkdir()
    make_certificates(other)

    def works(port, certificate=None, where=folder):
        try:
            with wire.Client(port) as client:
                context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
                if certificate:
                    context.load_cert_chain(str(where / f"{certificate}.pem"), str(where / f"{certificate}.key"))
                client.socket = context.wrap_socket(client.socket, server_hostname="127.0.0.1")
                return client.ask("PING") == "PONG"
        except (OSError, EOFError):
            return False

    ca = f"--server.tls_ca={folder}/ca.pem"
    with tls_store(folder, ca, "--server.tls_auth_clients=yes") as server:
        assert not works(server.tls_port) and not works(server.tls_port, "client", other)
        assert works(server.tls_port, "client")
        with server.client() as plain:
            assert plain.ask("CONFIG", "SET", "tls-auth-clients", "no") == "OK"
        assert works(server.tls_port)
    with tls_store(folder, ca, "--server.tls_auth_clients=optional") as server:
        assert works(server.tls_port) and works(server.tls_port, "client")
        assert not works(server.tls_port, "client", other)


def test_certificates_are_replaced_while_connections_stay(folder):
    make_certificates(folder)
    with tls_store(folder) as server, Client(server.tls_port, folder) as early:
        assert early.name_of_server() == "server" and early.ask("PING") == "PONG"
        (folder / "server.pem").write_bytes((folder / "second.pem").read_bytes())  # but not its key
        server.process.send_signal(signal.SIGHUP)
        line = ""
        while "not reloaded" not in line:
            line = server.process.stderr.readline()
        assert "server.tls_key" in line and "no key for" in line, line
        with Client(server.tls_port, folder) as client:
            assert client.name_of_server() == "server", "the old one stays"
        (folder / "server.key").write_bytes((folder / "second.key").read_bytes())
        server.process.send_signal(signal.SIGHUP)
        while "reloaded:" not in line:
            line = server.process.stderr.readline()
        with Client(server.tls_port, folder) as client:
            assert client.name_of_server() == "second" and client.ask("PING") == "PONG"
        assert early.ask("PING") == "PONG", "who is connected stays"
        with server.client() as plain:
            problem = plain.error("CONFIG", "SET", "tls-cert-file", str(folder / "absent.pem"))
            assert "absent.pem" in problem and "No such file" in problem, problem
            assert plain.ask("CONFIG", "GET", "tls-cert-file")[1] == f"{folder}/server.pem".encode()
            assert plain.ask("CONFIG", "SET", "tls-cert-file", str(folder / "client.pem"), "tls-key-file",
                             str(folder / "client.key")) == "OK"
        with Client(server.tls_port, folder) as client:
            assert client.name_of_server() == "client"


def test_a_certificate_that_is_no_good_stops_the_start(folder):
    make_certificates(folder)
    (folder / "nonsense.pem").write_text("this is none\n")
    good = {"cert": "server.pem", "key": "server.key"}
    for change, said in (({"cert": "absent.pem"}, "can't be read: No such file"),
                         ({"cert": "nonsense.pem"}, "no certificate"), ({"key": "second.key"}, "no key for"),
                         ({"key": None}, "server.tls_key is unset"),
                         ({"auth_clients": "maybe"}, "none of no, optional, yes"),
                         ({"auth_clients": "yes"}, "server.tls_ca is unset")):
        flags = []
        for name, value in {**good, **change}.items():
            if value is not None:
                flags.append(f"--server.tls_{name}=" + (value if name == "auth_clients" else f"{folder}/{value}"))
        done = support.ullage("serve", "--server.resp_port=0", "--server.tls_port=0", *flags, expect=3)
        assert said in done.stderr, (change, done.stderr)


def test_http_goes_over_tls(folder):
    make_certificates(folder)
    curl, = support.need("curl")
    with tls_store(folder, "--server.https_port=0", "--server.requirepass=secret") as server, \
            server.client() as client:
        client.ask("AUTH", "secret")
        big = "x" * 3_000_000

        def ask(path, *words, user="default:secret"):
            return support.run([curl, "-s", "--cacert", folder / "ca.pem", "-u", user, *words,
                                f"https://127.0.0.1:{server.https_port}{path}"]).stdout

        (folder / "big").write_text(big)
        ask("/v1/keys/big", "-T", folder / "big")
        assert client.ask("STRLEN", "big") == len(big) and ask("/v1/keys/big") == big
        assert "Unauthorized" in ask("/v1/keys/big", "-i", user="default:wrong")
        assert ask("/healthz") == "ok\n" and "ullage_server_tls_connections_total" in ask("/metrics")
        client.ask("SET", "k", "v")
        many = support.run([curl, "-s", "--cacert", folder / "ca.pem", "-u", "default:secret"] +
                           [f"https://127.0.0.1:{server.https_port}/v1/keys/k"] * 20).stdout
        assert many == "v" * 20, many
        half = [socket.create_connection(("127.0.0.1", server.https_port)) for _ in range(50)]
        assert ask("/healthz") == "ok\n"
        for connection in half:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                assert connection.recv(1 << 16)[:1] in (b"", b"\x15")  # an alert at most
            except ConnectionResetError:
                pass
            connection.close()


def test_half_handshakes_and_floods_take_little(folder):
    make_certificates(folder)
    with tls_store(folder) as server, Client(server.tls_port, folder) as client, server.client() as plain:
        hello = b"\x16\x03\x01\x01\x00\x01\x00"  # the beginning of a ClientHello
        before = limits.resident_bytes(server.process)
        half = [socket.create_connection(("127.0.0.1", server.tls_port)) for _ in range(600)]
        for connection in half:
            connection.sendall(hello)
        assert client.ask("PING") == "PONG"
        support.wait_until(lambda: int(limits.info(plain, "clients")["connected_clients"]) <= 260,
                           "no more than 256 handshakes are under way")
        grown = limits.resident_bytes(server.process) - before
        assert grown < 64 << 20, grown
        started = time.monotonic()
        support.wait_until(lambda: int(limits.info(plain, "clients")["connected_clients"]) == 2,
                           "handshakes that do not go on are ended")
        assert time.monotonic() - started < 60
        for connection in half:
            connection.close()
        with Client(server.tls_port, folder) as again:
            assert again.ask("PING") == "PONG"
        for nonsense in (b"PING\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 70000):
            with wire.Client(server.tls_port) as wrong:
                wrong.socket.sendall(nonsense)
                assert wrong.closed(), nonsense
        with wire.Client(server.port) as wrong:  # and TLS to the plain port
            wrong.socket.sendall(b"\x16\x03\x01\x00\x05hello\r\n")
            assert wrong.raw("PING") is not None


def test_idle_connections_over_tls_hold_no_buffers(folder):
    make_certificates(folder)
    with tls_store(folder) as server:
        warm = [Client(server.tls_port, folder) for _ in range(50)]
        before = limits.resident_bytes(server.process)
        clients = [Client(server.tls_port, folder) for _ in range(400)]
        for client in clients:
            assert client.ask("SET", "k", "v" * 10_000) == "OK" and len(client.ask("GET", "k")) == 10_000
        each = (limits.resident_bytes(server.process) - before) / len(clients)
        assert each < 64 << 10, f"{each} bytes"
        print(f"      {each / 1024:.1f} KiB a connection", flush=True)
        for client in warm + clients:
            client.socket.close()


def test_without_a_password_only_this_machine_is_let_in(_folder):
    """The address of another interface of this machine is not a loopback one: as good as elsewhere."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect(("203.0.113.1", 9))  # sends nothing
        address = probe.getsockname()[0]
    except OSError as problem:
        raise support.Skip("this machine has no other address") from problem
    finally:
        probe.close()
    if address.startswith("127."):
        raise support.Skip("this machine has no other address")
    with wire.store("--server.bind=0.0.0.0") as server:
        with wire.Client(server.port) as client:
            assert client.ask("PING") == "PONG"
            with wire.Client(server.port, address) as stranger:
                assert stranger.read_raw().startswith(b"-DENIED this store is in protected mode")
                assert stranger.closed()
            assert client.ask("CONFIG", "SET", "requirepass", "secret") == "OK"
            with wire.Client(server.port, address) as known:
                assert known.ask("AUTH", "secret") == "OK" and known.ask("PING") == "PONG"
            assert client.ask("CONFIG", "SET", "requirepass", "", "protected-mode", "no") == "OK"
            with wire.Client(server.port, address) as anybody:
                assert anybody.ask("PING") == "PONG"
