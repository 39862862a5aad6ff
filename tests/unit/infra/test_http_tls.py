"""Certificates: a vendor's private root is trusted where its bundle is named, and nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from battcrm.infra.http import AioHttp
from battcrm.kit.errors import Invalid, Transient

_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass
class Vendor:
    url: str
    bundle: Path


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, signer: ec.EllipticCurvePrivateKey, *, root: bool
) -> x509.Certificate:
    start = datetime(2020, 1, 1, tzinfo=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if root:
        # Python 3.13 checks strictly: who signs certificates must say so.
        builder = builder.add_extension(_SIGNS, critical=True)
    else:
        host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = builder.add_extension(host, critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture
async def vendor(tmp_path: Path) -> AsyncIterator[Vendor]:
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A root of its own")])
    root = certificate("A root of its own", root_key, root_name, root_key, root=True)
    leaf = certificate("vendor", key, root_name, root_key, root=False)
    pem = serialization.Encoding.PEM
    bundle, chain, secret = tmp_path / "root.pem", tmp_path / "leaf.pem", tmp_path / "key.pem"
    bundle.write_bytes(root.public_bytes(pem))
    chain.write_bytes(leaf.public_bytes(pem))
    secret.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, secret)

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_post("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield Vendor(f"https://127.0.0.1:{runner.addresses[0][1]}/", bundle)
    await runner.cleanup()


async def test_an_unknown_root_is_refused_before_anything_is_sent(vendor: Vendor) -> None:
    async with AioHttp() as http:
        with pytest.raises(Transient) as caught:
            await http.request("POST", vendor.url, json={})
    assert caught.value.code == "certificate"


async def test_the_bundle_opens_its_vendor_and_only_for_the_account_that_names_it(vendor: Vendor) -> None:
    async with AioHttp() as http:
        trusting = http.for_settings({"ca_bundle": str(vendor.bundle)})
        assert (await trusting.request("POST", vendor.url, json={})).body == b"hello"
        with pytest.raises(Transient):
            await http.request("POST", vendor.url, json={})


async def test_a_bundle_that_is_not_there_says_so(vendor: Vendor, tmp_path: Path) -> None:
    async with AioHttp() as http:
        broken = http.for_settings({"ca_bundle": str(tmp_path / "none.pem")})
        with pytest.raises(Invalid) as caught:
            await broken.request("POST", vendor.url, json={})
        assert caught.value.field == "ca_bundle"
