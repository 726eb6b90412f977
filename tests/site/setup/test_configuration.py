"""The file of a server: what is wrong in it is said, and nothing of it is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.x509 import DNSName, SubjectAlternativeName, load_pem_x509_certificate

from hubcore.errors import ConfigError, LinkError
from hubgateway.engine.vouching import vouched_by
from hubsite import config
from hubsite.__main__ import hubsite
from hubsite.config.database import SYSTEM_AUTHORITIES
from hubsite.config.places import enroll_line, pages_address
from hubsite.hubs.engine import HubsEngine
from hubsite.settings import settings_of
from tests.site.server import make_folder

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:8443", "https://site.example:8443/"),
        ("[::]:443", "https://site.example/"),
        ("192.0.2.1:4430", "https://site.example:4430/"),
    ],
)
def test_the_address_of_the_pages_has_its_port(listen: str, address: str) -> None:
    assert pages_address("site.example", listen) == address


def test_the_line_at_a_new_hub_names_each_strike() -> None:
    assert enroll_line("site.example", 7113) == (
        "hubctl enroll site.example:7113 --strike POINT=CHIP:LINE --start"
    )
    assert enroll_line("site.example", points=(1, 20)) == (
        "hubctl enroll site.example:7013 --strike 1=CHIP:LINE --strike 20=CHIP:LINE --start"
    )


def _with(tmp_path: Path, line: str) -> Path:
    file = make_folder(tmp_path / "s")
    file.write_text(line + "\n" + file.read_text())
    return file


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("secrets = 1", "unknown field `secrets`"),
        ("threads = 1", "threads"),
        ('time_zone = "Europe/Nowhere"', "is no zone such as Europe/Berlin"),
        ('time_zone = "../../etc/passwd"', "is no zone such as Europe/Berlin"),
        ('database = "mysql://a@b/c"', "postgresql://USER@HOST:PORT/NAME"),
        ('database = "postgresql://a:secret@b/c"', "a password is in the file"),
        ('database = "postgresql://a@b:x/c"', "database"),
        ('database = "postgresql://a@b/c?ssl=on"', "'ssl' is no word of an address here"),
        ('database = "postgresql://a@b/c?sslmode=prefer"', "sslmode is one of disable, require"),
        ('database = "postgresql://a@b/c?sslmode="', "sslmode is one of disable, require"),
        ('database = "postgresql://a@b/c?sslmode=require&sslmode=disable"', "once, or nothing"),
        ('database = "postgresql://a@b/c#d"', "once, or nothing"),
        (
            'database = "postgresql://a@b/c?sslmode=require"\ndatabase_authority = "ca.pem"',
            "with sslmode=require nobody asks it",
        ),
        ('database_authority = "ca.pem"', "database_authority: a file of SQLite has none"),
        ('database_password = "p"', "a file of SQLite has none"),
        ("[engine]\nservers = []", "servers"),
        ("aeads = [2]", "aeads: [2] has only A192GCM, which no browser has"),
        ('[operators]\nrights = ["all"]', "operators.rights: 'all' is no right: release"),
        ('[operators]\nrights = ["release"]', "need access_points: those doors alone"),
        ('[operators]\nrights = ["hold-open"]', "need access_points: those doors alone"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, line: str, said: str) -> None:
    file = make_folder(tmp_path / "s")
    text = file.read_text()
    is_section = line.startswith("[")
    file.write_text(f"{text}{line}\n" if is_section else f"{line}\n{text}")
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(caught.value).startswith(str(file))
    assert said in str(caught.value)


def test_a_server_of_the_engine_is_an_address(tmp_path: Path) -> None:
    file = make_folder(tmp_path / "s")
    text = file.read_text()
    engine = '[engine]\nservers = ["http://x"]\n'
    file.write_text(f'issuer_key = "issuer.key"\n{text}{engine}')
    with pytest.raises(ConfigError, match="is no nats://HOST:PORT"):
        config.load(file)
    file.write_text(text + engine)
    with pytest.raises(ConfigError, match="nothing is signed for hubs"):
        config.load(file)


def test_a_secret_that_others_may_read_or_that_is_short_refuses_the_start(tmp_path: Path) -> None:
    file = make_folder(tmp_path / "s")
    secret = file.parent / "hubsite.secret"
    secret.chmod(0o604)
    with pytest.raises(ConfigError, match="others may use it"):
        config.load(file)
    secret.chmod(0o600)
    secret.write_text("short")
    with pytest.raises(ConfigError, match="it has 5 bytes, and needs 32"):
        config.load(file)
    secret.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        config.load(file)


def test_postgresql_is_one_setting_and_a_file_for_its_password(tmp_path: Path) -> None:
    file = _with(tmp_path, 'database = "postgresql://hub@db.example:5433/site"')
    file.write_text('database_password = "pg"\n' + file.read_text())
    (file.parent / "pg").write_text("hush\n")
    (file.parent / "pg").chmod(0o600)
    told = settings_of(config.load(file))["DATABASES"]["default"]
    assert told["ENGINE"] == "django.db.backends.postgresql"
    assert {told[key] for key in ("NAME", "HOST", "USER", "PASSWORD")} == {
        "site",
        "db.example",
        "hub",
        "hush",
    }
    assert told["PORT"] == 5433


@pytest.mark.parametrize(
    ("host", "authority", "guard"),
    [
        ("db.example", "", {"sslmode": "verify-full", "sslrootcert": SYSTEM_AUTHORITIES}),
        ("192.0.2.7", "ca.pem", {"sslmode": "verify-full", "sslrootcert": "ca.pem"}),
        ("localhost", "", {}),
        ("127.0.0.1", "", {}),
        ("[::1]", "", {}),
        ("127.0.0.1", "ca.pem", {"sslmode": "verify-full", "sslrootcert": "ca.pem"}),
    ],
)
def test_postgresql_on_another_machine_proves_its_name(
    tmp_path: Path, host: str, authority: str, guard: dict[str, str]
) -> None:
    """database, law 2"""
    more = f'\ndatabase_authority = "{authority}"' if authority else ""
    file = _with(tmp_path, f'database = "postgresql://hub@{host}/site"{more}')
    told = settings_of(config.load(file))["DATABASES"]["default"]["OPTIONS"]
    if authority:
        guard = {**guard, "sslrootcert": str(file.parent / authority)}
    assert told == guard


@pytest.mark.parametrize("mode", ["disable", "require"])
def test_another_guard_of_postgresql_is_written_down(tmp_path: Path, mode: str) -> None:
    """database, law 2"""
    file = _with(tmp_path, f'database = "postgresql://hub@db.example/site?sslmode={mode}"')
    told = settings_of(config.load(file))["DATABASES"]["default"]
    assert (told["OPTIONS"], told["NAME"]) == ({"sslmode": mode}, "site")


@pytest.mark.parametrize(
    ("server", "more", "is_right"),
    [
        ("nats://127.0.0.1:4222", "", True),
        ("nats://localhost:4222", "", True),
        ("nats://[::1]:4222", "", True),
        ("nats://engine.example:4222", "", False),
        ("nats://192.0.2.7:4222", "", False),
        ("nats://127.0.0.1.example:4222", "", False),
        ("nats://[::1:4222", "", False),
        ("tls://engine.example:4222", "", True),
        ("nats://engine.example:4222", "in_clear = true", True),
    ],
)
def test_an_engine_on_another_machine_is_reached_by_tls(
    tmp_path: Path, server: str, more: str, is_right: bool
) -> None:
    """hubs, law 3"""
    file = _with(tmp_path, 'issuer_key = "issuer.key"')
    file.write_text(f'{file.read_text()}[engine]\nservers = ["{server}"]\n{more}\n')
    if is_right:
        assert config.load(file).config.engine is not None
        return
    with pytest.raises(ConfigError, match="servers: "):
        config.load(file)


async def test_who_vouches_for_the_engine_is_a_file(tmp_path: Path) -> None:
    file = _with(tmp_path, 'issuer_key = "issuer.key"')
    engine = '[engine]\nservers = ["tls://engine.example:4222"]\nauthority = "tls.pem"\n'
    file.write_text(file.read_text() + engine)
    read = config.load(file).config.engine
    assert read is not None
    assert read.authority == str(file.parent / "tls.pem")
    assert vouched_by(read.authority)["tls"].cert_store_stats()["x509"] == 1
    (file.parent / "tls.pem").write_text("none")
    with pytest.raises(ConfigError, match="no certificate in PEM"):
        vouched_by(read.authority)
    with pytest.raises(LinkError, match="no certificate in PEM"):
        await HubsEngine(read).connect()


def test_sqlite_holds_the_database_from_the_beginning_of_a_write(tmp_path: Path) -> None:
    told = settings_of(config.load(make_folder(tmp_path / "s")))["DATABASES"]["default"]
    assert told["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in told["OPTIONS"]["init_command"]
    assert "synchronous=FULL" in told["OPTIONS"]["init_command"]


def test_a_secret_comes_from_systemd_where_the_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_folder(tmp_path / "s")
    file.write_text(file.read_text().replace('"hubsite.secret"', '"credential:secret"'))
    (file.parent / "hubsite.secret").rename(tmp_path / "secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert len(config.load(file).secret) >= config.SECRET_BYTES_MIN


def test_init_writes_nothing_over(tmp_path: Path) -> None:
    file = make_folder(tmp_path / "s")
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
    words = ["init", str(file.parent), "--site", "acme", "--host", "localhost", "--trial"]
    result = CliRunner().invoke(hubsite, words)
    assert isinstance(result.exception, ConfigError)
    assert "is there already" in str(result.exception)
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before


def test_init_puts_the_database_where_it_is_told(tmp_path: Path) -> None:
    words = ["init", str(tmp_path / "s"), "--site", "acme", "--host", "localhost"]
    told = [*words, "--database", str(tmp_path / "rows.db")]
    assert CliRunner().invoke(hubsite, told, catch_exceptions=False).exit_code == 0
    read = config.load(tmp_path / "s" / "hubsite.toml")
    assert read.database.name == str(tmp_path / "rows.db")
    assert "rows.db" not in {path.name for path in (tmp_path / "s").iterdir()}


def test_a_folder_that_init_cannot_use_is_named(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    words = ["init", str(tmp_path / "s"), "--site", "acme", "--host", "localhost"]
    with pytest.raises(ConfigError, match="File exists"):
        CliRunner().invoke(hubsite, words, catch_exceptions=False)


@pytest.mark.parametrize("word", ['--database=a"b', "--site=Acme!", "--host=a b"])
def test_init_takes_no_name_that_the_file_refuses(tmp_path: Path, word: str) -> None:
    words = ["init", str(tmp_path / "s"), "--site", "acme", "--host", "localhost", word]
    assert isinstance(CliRunner().invoke(hubsite, words).exception, ConfigError)
    assert not (tmp_path / "s").exists()


def test_a_long_name_has_a_certificate_to_try(tmp_path: Path) -> None:
    host = ".".join(["a" * 63] * 3)
    words = ["init", str(tmp_path / "s"), "--site", "acme", "--host", host, "--trial"]
    assert CliRunner().invoke(hubsite, words, catch_exceptions=False).exit_code == 0
    made = load_pem_x509_certificate((tmp_path / "s" / "tls.pem").read_bytes())
    names = made.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert names.get_values_for_type(DNSName) == [host]


def test_the_sample_is_a_configuration() -> None:
    sample = Path(__file__).parents[3] / "config" / "hubsite.toml"
    read = config.parse(sample.read_bytes(), sample)
    assert read.site == "acme"
    assert {line.split(" ")[0] for line in sample.read_text().splitlines() if " = " in line} >= {
        "site",
        "hosts",
        "secret",
        "tls_key",
        "database",
    }
