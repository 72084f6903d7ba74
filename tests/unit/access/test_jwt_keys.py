"""Public keys and signatures: what a JOSE library signs is verified, and what it would not verify is not."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_core.access.jwt_form import Jws, read_jws
from gateway_core.access.jwt_keys import ALGORITHMS, MAX_KEYS, fitting, read_keys, verifies
from tests.flows.foreign import EC, EC_384, ED, KEYS, RSA, RSA_OTHER, b64, public, signed
from tests.flows.upstreams import Json

SET = read_keys(public(RSA, EC, EC_384, KEYS["ES512"], ED)["keys"])


def parts(alg: str, payload: bytes = b'{"sub":"ana"}') -> Jws:
    made = read_jws(signed({"alg": alg, "kid": KEYS[alg].kid}, payload, KEYS[alg]), ALGORITHMS)
    assert isinstance(made, Jws)
    return made


@settings(max_examples=60, deadline=None)
@given(alg=st.sampled_from(sorted(ALGORITHMS)), subject=st.text(alphabet="abcß漢 ", max_size=20))
def test_what_a_jose_library_signs_is_verified_with_the_one_key_that_fits(alg, subject):
    jws = parts(alg, f'{{"sub":"{subject}"}}'.encode())
    assert jws.claims == {"sub": subject}
    (found,) = fitting(SET, alg=jws.alg, kid=jws.kid)
    assert verifies(found.key, jws.alg, jws.signed, jws.signature)


@settings(max_examples=100, deadline=None)
@given(alg=st.sampled_from(sorted(ALGORITHMS)), data=st.data())
def test_one_bit_more_or_less_is_no_signature(alg, data):
    jws = parts(alg)
    (found,) = fitting(SET, alg=alg, kid=None)
    signature = bytearray(jws.signature)
    at = data.draw(st.integers(0, len(signature) * 8 - 1))
    signature[at // 8] ^= 1 << at % 8
    assert not verifies(found.key, alg, jws.signed, bytes(signature))
    changed = bytearray(jws.signed)
    at = data.draw(st.integers(0, len(changed) * 8 - 1))
    changed[at // 8] ^= 1 << at % 8
    assert not verifies(found.key, alg, bytes(changed), jws.signature)


@pytest.mark.parametrize("alg", sorted(ALGORITHMS))
@pytest.mark.parametrize("signature", [b"", b"\0", bytes(64), bytes(96), bytes(132), bytes(256), b"\xff" * 64])
def test_what_has_the_length_of_a_signature_alone_is_none(alg, signature):
    (found,) = fitting(SET, alg=alg, kid=None)
    assert not verifies(found.key, alg, b"x", signature)


def test_a_signature_of_one_algorithm_is_none_of_another_with_the_same_key():
    for alg in ("RS256", "RS384", "PS256", "PS384"):
        for other in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
            jws = parts(alg)
            (found,) = fitting(SET, alg=other, kid=None)
            assert verifies(found.key, other, jws.signed, jws.signature) == (alg == other)


def small_rsa(bits: int) -> Json:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    return {"kty": "RSA", "n": b64(numbers.n.to_bytes(bits // 8)), "e": "AQAB"}


RSA_PUBLIC: Json = RSA.as_dict(private=False)
EC_PUBLIC: Json = EC.as_dict(private=False)
ED_PUBLIC: Json = ED.as_dict(private=False)


@pytest.mark.parametrize(
    "entry",
    [
        RSA.as_dict(private=True), EC.as_dict(private=True), ED.as_dict(private=True), {},
        {"kty": "oct", "k": "c2VjcmV0"}, {"kty": ["RSA"]}, {"kty": "RSA"}, {**RSA_PUBLIC, "n": "!"},
        {**RSA_PUBLIC, "n": 7}, {**RSA_PUBLIC, "e": "AQ"}, {**RSA_PUBLIC, "e": b64(b"\xff" * 32)},
        {**RSA_PUBLIC, "n": RSA_PUBLIC["n"] + "=="}, {**RSA_PUBLIC, "use": "enc"},
        {**RSA_PUBLIC, "key_ops": ["encrypt"]}, {**RSA_PUBLIC, "key_ops": "verify"}, {**RSA_PUBLIC, "kid": 7},
        {**RSA_PUBLIC, "alg": ["RS256"]}, {**RSA_PUBLIC, "n": b64(b"\xff" * 2_000)}, small_rsa(1024),
        {**EC_PUBLIC, "crv": "P-192"}, {**EC_PUBLIC, "crv": "secp256k1"}, {**EC_PUBLIC, "x": EC_PUBLIC["y"]},
        {**EC_PUBLIC, "crv": "P-384"}, {**EC_PUBLIC, "x": "AA", "y": "AA"}, {**ED_PUBLIC, "crv": "X25519"},
        {**ED_PUBLIC, "x": "AA"}, {**ED_PUBLIC, "crv": None},
    ],
)  # fmt: skip
def test_a_key_that_cannot_or_must_not_be_used_is_passed_over(entry):
    assert read_keys([entry, "no key", None, 7]) == []
    assert len(read_keys([entry, RSA_PUBLIC])) == 1


def test_a_key_serves_what_it_says_it_is_for_and_no_more_keys_are_looked_at_than_a_set_has():
    (only,) = read_keys([{**RSA_PUBLIC, "alg": "PS256", "use": "sig", "key_ops": ["verify"]}])
    assert fitting([only], alg="PS256", kid=None) == [only]
    assert fitting([only], alg="RS256", kid=None) == []
    (ed,) = read_keys([{**ED_PUBLIC, "alg": "EdDSA"}])
    assert fitting([ed], alg="Ed25519", kid="ed-1") == [ed]
    assert len(fitting(read_keys(public(RSA, RSA_OTHER)["keys"]), alg="RS256", kid=None)) == 2
    assert len(read_keys([RSA_PUBLIC] * (MAX_KEYS + 1))) == MAX_KEYS


def test_there_is_no_algorithm_that_takes_no_key_or_a_shared_one():
    assert not [alg for alg in ALGORITHMS if alg.lower() == "none" or alg.startswith("HS")]
    assert base64.urlsafe_b64decode(RSA_PUBLIC["e"] + "==") == b"\1\0\1"


def test_a_signature_of_an_elliptic_curve_is_written_in_one_way_only():
    jws = parts("ES256")
    (found,) = fitting(SET, alg="ES256", kid=None)
    first, second = jws.signature[:32], jws.signature[32:]
    assert verifies(found.key, "ES256", jws.signed, first + second)
    for other in (first + b"\0" + second, b"\0" + first + second, jws.signature + b"\0"):
        assert not verifies(found.key, "ES256", jws.signed, other)
