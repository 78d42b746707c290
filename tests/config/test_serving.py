"""A Spicepod says who may ask, with which certificate answers come, and what statements may use."""

import pytest

from headrace.access import Scope
from headrace.config import describe
from headrace.limits import Caching, QueryLimits
from support.certificates import made

KEY = "0123456789abcdef"


@pytest.fixture
def load(folder):
    return lambda runtime, environ=None: folder.load(f"runtime: {runtime}\n" + folder.dataset(), environ)


@pytest.fixture
def refusal(folder):
    return lambda runtime, environ=None: folder.refusal(f"runtime: {runtime}\n" + folder.dataset(), environ)


@pytest.fixture(scope="module")
def issued(tmp_path_factory):
    return made(tmp_path_factory.mktemp("certificates"))


def api_key(*keys):
    return "{auth: {api-key: {enabled: true, keys: [" + ", ".join(keys) + "]}}}"


def test_without_the_block_everybody_may_ask_and_the_defaults_hold(folder):
    pod = folder.load(folder.dataset())
    assert not pod.access.authenticates
    assert pod.access.tls is None
    assert (pod.limits, pod.caching) == (QueryLimits(), Caching())


def test_keys_come_from_references_or_stand_as_they_are(load):
    pod = load(api_key("'${ secrets:api_key }'", f"'{KEY}x'"), {"API_KEY": KEY})
    assert [pod.access.admits(key) for key in (KEY, f"{KEY}x", "${ secrets:api_key }", "")] == [
        True,
        True,
        False,
        False,
    ]
    assert pod.warnings == pod.unbuilt == ()


def test_the_ending_of_a_key_says_what_it_opens(load):
    listed = api_key(
        f"'{KEY}1:ro'", f"'{KEY}2:rw'", f"{KEY}3", "'${secrets:api_key}:ro'", "'${secrets:other}'"
    )
    pod = load(listed, {"API_KEY": f"{KEY}4", "OTHER": f"{KEY}5:ro"})
    assert [(key.secret.reveal(), key.scope) for key in pod.access.keys] == [
        (f"{KEY}1", Scope.READ),
        (f"{KEY}2", Scope.OPERATE),
        (f"{KEY}3", Scope.OPERATE),
        (f"{KEY}4", Scope.READ),
        (f"{KEY}5:ro", Scope.OPERATE),
    ]


def test_a_short_key_is_taken_with_a_warning(load):
    # As in Spice's documents.
    pod = load(api_key("1234567890"))
    assert pod.access.admits("1234567890")
    (warning,) = pod.warnings
    assert "openssl rand -hex 32" in warning
    assert "1234567890" not in warning


def test_validate_says_how_many_keys_there_are_and_none_of_them(load):
    told = describe(load(api_key(f"'{KEY}1:ro'", f"{KEY}2")))
    assert "keys        2, 1 of them only to ask" in told
    assert KEY not in told
    assert "runtime" not in describe(load("{query: {timeout: 5s}}"))


def test_keys_that_are_turned_off_ask_for_none(load):
    pod = load("{auth: {api-key: {enabled: false, keys: [" + KEY + "]}}}")
    assert not pod.access.authenticates
    assert not load("{auth: }").access.authenticates


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        ("{auth: {api-key: {enabled: true}}}", "runtime.auth['api-key'].keys: expected a list of keys"),
        ("{auth: {api-key: {keys: []}}}", "at least one; or write enabled: false"),
        ("{auth: {api-key: {keys: secret-word}}}", "expected a list of keys"),
        ("{auth: {api_key: {keys: [a]}}}", "there is no such key; did you mean 'api-key'?"),
        (api_key("[secret-word]"), "keys[0]: expected a key"),
        (api_key("''"), "keys[0]: a key is of letters, digits and signs"),
        (api_key("':ro'"), "keys[0]: a key is of letters, digits and signs"),
        (api_key("'secret word'"), "without spaces"),
        (api_key('"secret-wörd"'), "ASCII"),
        (api_key("'${secrets:none}'"), "neither NONE nor SPICE_NONE is set"),
        (api_key("'${other:none}'"), "no secret store 'other'"),
        ("{tls: {certificat_file: x}}", "did you mean 'certificate_file'?"),
        ("{tls: {enabled: maybe}}", "'maybe' is not one of true, false"),
        ("{tls: {client_auth_mode: required}}", "'required' is not one of none"),
        ("{tls: on}", "runtime.tls: expected keys and values"),
        ("{query: {timeout: 0}}", "runtime.query.timeout: '0' is too short"),
        ("{query: {timeout: 5}}", "'5' has no unit"),
        ("{query: {max_concurrent_queries: 0}}", "is not a whole number from 1 to 64"),
        ("{query: {memory_limit: 1MiB}}", "the least is 16MiB"),
        ("{caching: {sql_result: {}}}", "did you mean 'sql_results'?"),
        ("{results_cache: {item_ttl: 1}}", "runtime.results_cache.item_ttl: '1' has no unit"),
        (
            "{results_cache: {enabled: true}, caching: {sql_results: {}}}",
            "is the old name of runtime.caching",
        ),
        ("{results_cache: {max_size: 1MB, cache_max_size: 1MB}}", "are one parameter"),
        ("{cachin: {}}", "did you mean 'caching'?"),
        ("[]", "runtime: expected keys and values"),
    ],
)
def test_what_is_wrong_is_said_and_no_key_is_shown(refusal, runtime, words):
    said = refusal(runtime)
    assert words in said
    assert "secret-w" not in said
    assert "secret w" not in said


def test_a_certificate_and_its_key_come_from_files_beside_the_spicepod(folder, load):
    issued = made(folder.path)
    pod = load("{tls: {enabled: true, certificate_file: server.pem, key_file: server.key}}")
    assert pod.access.tls is not None
    assert pod.access.tls.certificate == issued.certificate.read_text()
    assert pod.access.tls.key.reveal() == issued.key.read_text()
    assert "PRIVATE" not in repr(pod)


def test_a_certificate_may_stand_in_the_spicepod_and_its_key_in_the_environment(folder, issued):
    lines = "\n".join(f"      {line}" for line in issued.certificate.read_text().splitlines())
    text = (
        f"runtime:\n  tls:\n    certificate: |\n{lines}\n    key: ${{secrets:tls_key}}\n" + folder.dataset()
    )
    pod = folder.load(text, {"TLS_KEY": issued.key.read_text()})
    assert pod.access.tls is not None


def test_tls_that_is_turned_off_is_off(load):
    assert load("{tls: {enabled: false}}").access.tls is None


def test_a_certificate_that_cannot_be_used_is_refused(folder, refusal, issued, tmp_path_factory):
    other = made(tmp_path_factory.mktemp("others"))
    (folder.path / "text.pem").write_text("no certificate")
    (folder.path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    def tls(certificate, key):
        return refusal(f"{{tls: {{certificate_file: '{certificate}', key_file: '{key}'}}}}")

    assert "no.pem: cannot be read: No such file" in tls("no.pem", issued.key)
    assert "text.pem: is not a text of PEM (`-----BEGIN CERTIFICATE-----`)" in tls("text.pem", issued.key)
    assert "key_file: " in tls(issued.certificate, issued.certificate)
    assert "does not belong to the certificate" in tls(issued.certificate, other.key)
    assert "cannot be used" in tls("broken.pem", issued.key)
    both = (
        f"{{tls: {{certificate_file: '{issued.certificate}', key_file: '{issued.key}', key: '${{env:k}}'}}}}"
    )
    assert "key_file: 'key' stands beside it" in refusal(both, {"K": issued.key.read_text()})
    assert "needs key_file (or key)" in refusal(f"{{tls: {{certificate_file: '{issued.certificate}'}}}}")
    assert "needs certificate_file (or certificate)" in refusal("{tls: {}}")


def test_limits_and_what_is_kept_are_as_they_are_written(folder, load):
    pod = load(
        "{query: {timeout: 1m30s, max_concurrent_queries: 3, memory_limit: 1GiB, temp_directory: spill}, "
        "caching: {sql_results: {max_size: 1MiB, item_ttl: 10s}}}"
    )
    assert pod.limits == QueryLimits(90.0, 3, 2**30, folder.path / "spill")
    assert pod.caching == Caching(2**20, 10.0)
    assert load("{results_cache: {cache_max_size: 2MiB}}").caching == Caching(2**21)


@pytest.mark.parametrize("off", ["{enabled: false}", "{max_size: 0}", "{item_ttl: 0}"])
def test_keeping_answers_can_be_turned_off(load, off):
    assert load(f"{{caching: {{sql_results: {off}}}}}").caching is None


def test_what_spice_does_and_headrace_does_not_is_said(load):
    pod = load(
        "{cors: {enabled: true}, telemetry: {enabled: false}, caching: {search_results: {}, sql_results: "
        "{eviction_policy: tiny_lfu, cache_key_type: sql, stale_while_revalidate_ttl: 30s}}}"
    )
    assert pod.unbuilt == (
        "runtime.cors: not built; they may ask nothing",
        "runtime.telemetry: not built; nothing is sent to anybody",
        "runtime.caching.search_results: no effect; Headrace has nothing of the kind",
        "runtime.caching.sql_results.eviction_policy: only lru is built",
        "runtime.caching.sql_results.stale_while_revalidate_ttl: no answer is given that is out of date",
    )
