"""The breaker's decisions: when calls stop, when one is tried, and what a clock that steps does to that."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.breaker import (
    LONGEST_OPEN_S,
    PROBE_S,
    SKEW_S,
    BreakerLimits,
    Circuit,
    CircuitState,
    admitted,
    answered,
    failed,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LIMITS = BreakerLimits(failures=3, open_s=10, open_max_s=60)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def open_circuit(opened: int = 1, **since: datetime) -> Circuit:
    return Circuit(CircuitState.OPEN, failures=3, opened=opened, retry_at=at(10), **since)


def tripped(limits: BreakerLimits = LIMITS) -> Circuit:
    """After as many failures as open it."""
    circuit = Circuit()
    for _ in range(limits.failures):
        circuit = failed(circuit, NOW, limits)
    return circuit


def test_failures_in_a_row_open_it():
    once, twice = failed(Circuit(), NOW, LIMITS), failed(failed(Circuit(), NOW, LIMITS), NOW, LIMITS)
    assert (once, twice) == (Circuit(failures=1), Circuit(failures=2))
    assert failed(twice, NOW, LIMITS) == Circuit(CircuitState.OPEN, failures=3, opened=1, retry_at=at(10))


def test_an_answer_ends_the_count():
    assert answered(failed(failed(Circuit(), NOW, LIMITS), NOW, LIMITS)) == Circuit()


@pytest.mark.parametrize("failures", [1, 2, 1000])
def test_the_threshold_is_the_number_that_opens_it(failures):
    limits = BreakerLimits(failures=failures)
    assert tripped(limits=limits).state == "open"
    assert tripped(limits=BreakerLimits(failures=failures + 1)).state == "open"
    almost = Circuit(failures=failures - 1)
    assert (almost.closed_until(NOW), failed(almost, NOW, limits).state) == (None, "open")


@pytest.mark.parametrize(("seconds", "goes"), [(0, False), (9.999, False), (10, True), (5000, True)])
def test_no_call_goes_out_before_the_wait_is_over(seconds, goes):
    circuit = tripped()
    assert (circuit.closed_until(at(seconds)) is None) is goes
    assert (admitted(circuit, at(seconds)) is not None) is goes


def test_one_call_is_the_probe_and_the_others_wait():
    probing = admitted(tripped(), at(10))
    assert probing == Circuit(CircuitState.HALF_OPEN, failures=3, opened=1, retry_at=at(10 + PROBE_S))
    assert admitted(probing, at(10)) is None
    assert admitted(probing, at(10 + PROBE_S - 0.001)) is None


def test_a_probe_that_is_never_heard_of_again_is_given_up():
    probing = admitted(tripped(), at(10))
    assert admitted(probing, at(10 + PROBE_S)) == Circuit(CircuitState.HALF_OPEN, 3, 1, at(10 + 2 * PROBE_S))


def test_the_probes_answer_closes_it():
    assert answered(admitted(tripped(), at(10))) == Circuit()


def test_the_probes_failure_opens_it_for_twice_as_long_up_to_the_limit():
    circuit, waits_s = tripped(), []
    for _ in range(6):
        moment = circuit.retry_at
        circuit = failed(admitted(circuit, moment), moment, LIMITS)
        waits_s.append((circuit.retry_at - moment).total_seconds())
    assert waits_s == [20, 40, 60, 60, 60, 60]
    assert (circuit.failures, circuit.opened) == (9, 7)


def test_it_may_have_opened_any_number_of_times():
    longest = BreakerLimits(open_s=LONGEST_OPEN_S, open_max_s=LONGEST_OPEN_S)
    circuit = failed(Circuit(CircuitState.HALF_OPEN, 10**9, 10**9, NOW), NOW, longest)
    assert circuit.retry_at == at(LONGEST_OPEN_S)


def test_what_comes_back_late_changes_nothing():
    circuit = tripped()
    assert answered(circuit) == circuit
    assert failed(circuit, at(5), LIMITS) == circuit


def test_a_closed_breaker_lets_every_call_out():
    circuit = Circuit(failures=2)
    assert admitted(circuit, NOW) is circuit


def test_an_open_breaker_without_a_moment_lets_a_probe_out():
    assert admitted(Circuit(CircuitState.OPEN), NOW).state == "half_open"


# --- Clocks


@pytest.mark.parametrize("open_for_s", [0, 5, 9, 10, 600, 3000, 3500])
@pytest.mark.parametrize("wait_s", [1, 10, LONGEST_OPEN_S])
def test_after_the_clock_stepped_back_an_hour_it_goes_on_at_once(open_for_s, wait_s):
    circuit = tripped(limits=BreakerLimits(3, wait_s, wait_s))
    assert admitted(circuit, at(open_for_s - 3600)).state == "half_open"
    probing = admitted(circuit, at(wait_s))
    assert admitted(probing, at(wait_s + open_for_s - 3600)).state == "half_open"


@given(open_for_s=st.floats(0, 10**6), back_s=st.floats(0, 10**6), wait_s=st.integers(1, LONGEST_OPEN_S))
def test_however_far_the_clock_steps_back_nobody_waits_longer_than_the_wait_and_what_clocks_may_differ(
    open_for_s, back_s, wait_s
):
    circuit = tripped(limits=BreakerLimits(1, wait_s, wait_s))
    now = at(open_for_s - back_s)
    assert ((circuit.closed_until(now) or now) - now).total_seconds() <= wait_s + SKEW_S


def test_machines_whose_clocks_differ_a_little_wait_for_one_another():
    assert open_circuit(since=NOW).closed_until(at(-SKEW_S)) == at(10)
    assert open_circuit(since=NOW).closed_until(at(-SKEW_S - 1)) is None


# --- Whatever happens

EVENTS = st.lists(st.tuples(st.sampled_from(["call", "answer", "failure"]), st.floats(0, 60)), max_size=60)
ANY_LIMITS = st.builds(
    BreakerLimits, failures=st.integers(1, 5), open_s=st.integers(1, 100), open_max_s=st.integers(100, 900)
)


@given(events=EVENTS, limits=ANY_LIMITS)
def test_while_nothing_comes_back_two_probes_are_never_closer_than_the_time_one_has(events, limits):
    circuit, now, probe_left_at = Circuit(), NOW, None
    for event, wait_s in events:
        now += timedelta(seconds=wait_s)
        if event == "call":
            after = admitted(circuit, now)
            if after and after.state == "half_open":
                assert probe_left_at is None or now - probe_left_at >= timedelta(seconds=PROBE_S)
                probe_left_at = now
            circuit = after or circuit
        else:
            probe_left_at = None
            circuit = answered(circuit) if event == "answer" else failed(circuit, now, limits)


@given(events=EVENTS, limits=ANY_LIMITS)
def test_it_is_never_shut_for_longer_than_its_limit_or_a_probes_time(events, limits):
    circuit, now = Circuit(), NOW
    for event, wait_s in events:
        now += timedelta(seconds=wait_s)
        circuit = {
            "call": lambda: admitted(circuit, now) or circuit,  # noqa: B023 (called at once)
            "answer": lambda: answered(circuit),  # noqa: B023
            "failure": lambda: failed(circuit, now, limits),  # noqa: B023
        }[event]()
        longest = max(limits.open_max_s, PROBE_S)
        assert (circuit.closed_until(now) or now) - now <= timedelta(seconds=longest)
        assert (circuit.state == "closed") == (circuit.retry_at is None)
        assert circuit.state != "closed" or circuit.failures < limits.failures
