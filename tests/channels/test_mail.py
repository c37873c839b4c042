"""E-mail, to a real mail server that goes wrong."""

import ssl
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app import clock
from app.channels.asking import NoAnswer, Passing
from app.channels.sending import Refused
from app.ways_settings import SmtpSecurity
from tests.channels.letters import MAILBOX, letter, mailer, sent
from tests.fakes import smtp
from tests.fakes.faulty import Fault
from tests.live import free_port

LOGIN = (smtp.USER, smtp.PASSWORD)


def certificate(now: datetime) -> bytes:
    """A key and a certificate of this machine, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    kept = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return kept + made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(certificate(clock.now()))
    return path


@pytest.fixture
def tls(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def trusted(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))


@pytest.mark.parametrize(
    ("fault", "outcome", "taken"),
    [
        (451, Passing, 0),
        (550, Refused, 0),
        (Fault.HANG, NoAnswer, 0),
        (Fault.DROP, NoAnswer, 0),
        (Fault.TAKE_AND_HANG, NoAnswer, 1),
        (Fault.TAKE_AND_DROP, NoAnswer, 1),
    ],
)
def test_a_fault_is_what_it_is(fault: Fault | int, outcome: type[NoAnswer], taken: int) -> None:
    with smtp.running() as server:
        server.faults.append(fault)
        with pytest.raises(NoAnswer) as told:
            sent(mailer(server.port), letter(MAILBOX))
        assert told.type is outcome
        assert len(server.mails) == taken
        server.released.set()
        sent(mailer(server.port), letter(MAILBOX))
        assert len(server.mails) == taken + 1


@pytest.mark.parametrize(("reply", "outcome"), [(450, Passing), (550, Refused), (553, Refused)])
def test_a_reader_who_is_not_taken(reply: int, outcome: type[NoAnswer]) -> None:
    with smtp.running() as server:
        server.at_rcpt = True
        server.faults.append(reply)
        with pytest.raises(NoAnswer) as told:
            sent(mailer(server.port), letter(MAILBOX))
        assert told.type is outcome
        assert server.mails == []


def test_nobody_there_is_for_later() -> None:
    with pytest.raises(Passing):
        sent(mailer(free_port()), letter(MAILBOX))


def test_without_the_protection_asked_for_nothing_is_said() -> None:
    with smtp.running() as server:
        with pytest.raises(Refused, match="no such protection"):
            sent(mailer(server.port, SmtpSecurity.STARTTLS), letter(MAILBOX))
        with pytest.raises(Passing):
            sent(mailer(server.port, SmtpSecurity.TLS), letter(MAILBOX))
        assert server.mails == []


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
@pytest.mark.usefixtures("trusted")
def test_protected_and_logged_in(tls: ssl.SSLContext, security: SmtpSecurity) -> None:
    with smtp.running(tls=tls, at_once=security is SmtpSecurity.TLS) as server:
        sent(mailer(server.port, security, LOGIN), letter(MAILBOX))
        assert len(server.mails) == 1
        with pytest.raises(Refused, match="reply 535"):
            sent(mailer(server.port, security, (smtp.USER, "another")), letter(MAILBOX))
        assert len(server.mails) == 1


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
def test_a_server_that_nobody_vouches_for_is_told_nothing(
    tls: ssl.SSLContext, security: SmtpSecurity
) -> None:
    with smtp.running(tls=tls, at_once=security is SmtpSecurity.TLS) as server:
        with pytest.raises(Passing, match="SSLCertVerificationError"):
            sent(mailer(server.port, security, LOGIN), letter(MAILBOX))
        assert server.mails == []
