"""Compiled kernels against their NumPy twins: the same names and arguments, the same numbers."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hpc_nqs.kernels
from hpc_nqs.kernels import amplitude, local_energy, metropolis, rbm
from hpc_nqs.kernels.reference import (
    amplitudes,
    continuous_world_lines,
    electrons,
    hafnian,
    matrices,
    pair_sum,
    roofline,
    samples,
    world_lines,
)

HERE = Path(__file__).parent
ONLY_IN_REFERENCE = {"Proposal", "flipped", "log_2cosh", "ring_line", "ring_segment"}
ONLY_IN_REFERENCE |= {"clusters", "conditional_derivative", "flip", "gate_state", "ising_columns", "measured"}
ONLY_IN_REFERENCE |= {"spins_row", "uint32", "uniform"}
ONLY_IN_REFERENCE |= {"Circle", "derivatives", "fields_of", "stretches"}


def compiled_signatures():
    """Return {public name: argument names} of everything that the .pyx files define for Python."""
    found = {}
    for path in sorted(Path(hpc_nqs.kernels.__file__).parent.glob("*.pyx")):
        source = path.read_text()
        for name, arguments in re.findall(r"^def (\w+)\((.*?)\):", source, re.MULTILINE | re.DOTALL):
            found[name] = argument_names(arguments)
        for name, body in re.findall(r"^cdef class (\w+).*?:\n(.*?)(?=^\S|\Z)", source, re.MULTILINE | re.DOTALL):
            initializer = re.search(r"def __init__\((.*?)\):", body, re.DOTALL)
            found[name] = argument_names(initializer[1])[1:] if initializer else []
    return {name: arguments for name, arguments in found.items() if not name.startswith("_")}


def argument_names(text):
    """Return the names in a typed argument list; commas inside brackets belong to the type."""
    text = re.sub(r"\[[^]]*\]", "", text)
    return [argument.split("=")[0].split()[-1] for argument in text.split(",") if argument.strip()]


def reference_signatures():
    """Return {name: argument names} of everything that the reference module defines itself."""
    own = {
        name: thing
        for module in (
            amplitudes, continuous_world_lines, electrons, hafnian, matrices, pair_sum, roofline, samples, world_lines
        )
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_")
    }
    return {name: list(inspect.signature(thing).parameters) for name, thing in own.items()}


def test_every_kernel_has_a_twin_with_the_same_arguments():
    twins = reference_signatures()
    assert set(twins) - ONLY_IN_REFERENCE == set(compiled_signatures())
    assert {name: twins[name] for name in compiled_signatures()} == compiled_signatures()


def test_the_signature_reader_sees_types_and_defaults():
    assert argument_names("Amplitude a, const double[:, ::1] b,\n  list c, int d=3") == ["a", "b", "c", "d"]
    assert "configurations" in compiled_signatures()["local_energies"]
    assert compiled_signatures()["MoveSet"] == ["kind", "n_variants", "sites", "second", "entry", "n_sites"]


def evaluated(kernel, system):
    """Return (ln Psi, O, energies, ln Psi beside the energies) of a system by compiled or twin functions."""
    n = len(system.configurations)
    log_psi, beside = np.empty(n, dtype=complex), np.empty(n, dtype=complex)
    derivs = np.empty((n, system.wavefunction.n_params * system.amplitude.width))
    energies = np.empty((n, len(system.hamiltonians)), dtype=complex)
    kernel["log_psi"](system.amplitude, system.configurations, log_psi)
    kernel["log_derivs"](system.amplitude, system.configurations, derivs)
    kernel["local_energies"](
        system.configurations, system.amplitude, system.moves, system.hamiltonians, energies, beside
    )
    return log_psi, derivs, energies, beside


COMPILED = vars(amplitude) | vars(local_energy)
TWINS = vars(samples)


def assert_same_logarithms(one, other, tolerance=1e-10):
    """Logarithms agree up to multiples of 2 pi i."""
    np.testing.assert_allclose(one.real, other.real, rtol=0, atol=tolerance)
    np.testing.assert_allclose(np.exp(1j * one.imag), np.exp(1j * other.imag), rtol=0, atol=tolerance)


def test_values(case, system, twin):
    one, other = system(case), twin(case)
    log_psi, derivs, energies, beside = evaluated(COMPILED, one)
    expected_log_psi, expected_derivs, expected_energies, _ = evaluated(TWINS, other)
    assert len(one.moves) == len(other.moves)
    for name in ("n_visible", "n_params", "width"):
        assert getattr(one.amplitude, name) == getattr(other.amplitude, name)
    assert_same_logarithms(log_psi, expected_log_psi)
    np.testing.assert_array_equal(beside, log_psi)
    np.testing.assert_allclose(derivs, expected_derivs, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(energies, expected_energies, rtol=1e-9, atol=1e-10)


def test_move_ratios(case, system, twin):
    one, other = system(case), twin(case)
    moves = one.purification.proposals
    found, expected = (np.full((len(one.configurations), len(moves)), np.nan, dtype=complex) for _ in range(2))
    beside = np.empty((2, len(found)), dtype=complex)
    local_energy.move_ratios(one.configurations, one.amplitude, one.moves, moves, found, beside[0])
    samples.move_ratios(other.configurations, other.amplitude, other.moves, moves, expected, beside[1])
    assert_same_logarithms(*beside)
    assert (found == 0).any() == (expected == 0).any()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def test_ratios_beside_local_energies(case, system, twin):
    """Real parts of the ratios of all terms of H, then of further moves; energies are those without."""
    one, other = system(case), twin(case)
    further = one.purification.proposals[::3].copy()
    n, n_terms = len(one.configurations), sum(len(each.moves) for each in other.hamiltonians)
    found, expected = (np.full((n, n_terms + len(further)), np.nan) for _ in range(2))
    energies, beside = np.empty((2, n, len(one.hamiltonians)), dtype=complex), np.empty(n, dtype=complex)
    for kernel, each, ratios in ((COMPILED, one, found), (TWINS, other, expected)):
        kernel["local_energies"](
            each.configurations, each.amplitude, each.moves, each.hamiltonians, energies[0], beside, ratios, further
        )
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)
    assert np.any(found[:, n_terms:])
    for k, ratios in enumerate((found, None)):
        extra = () if ratios is None else (ratios, further)
        COMPILED["local_energies"](
            one.configurations, one.amplitude, one.moves, one.hamiltonians, energies[k], beside, *extra
        )
    np.testing.assert_array_equal(energies[0], energies[1])


def test_connected_configurations(case, system, twin):
    """One for every allowed term, in the order of the terms; with Psi of each they give the local energies."""
    found = []
    for kernel, one in ((COMPILED, system(case)), (TWINS, twin(case))):
        n, n_visible = one.configurations.shape
        size = n * len(twin(case).hamiltonians[0].moves)
        connected, elements = np.zeros((size, n_visible), np.int8), np.zeros(size)
        counts, diagonal = np.empty(n, np.intp), np.empty(n)
        number = kernel["connected_configurations"](
            one.configurations, one.moves, one.hamiltonians[0], False, connected, elements, counts, diagonal
        )
        assert number == counts.sum() > 0
        found.append((connected, elements, counts, diagonal))
    for values, expected in zip(*found, strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-13, atol=1e-13)
    log_psi, _, energies, _ = evaluated(COMPILED, system(case))
    other, beside = system(case), np.empty(number, dtype=complex)
    COMPILED["log_psi"](other.amplitude, np.ascontiguousarray(connected[:number]), beside)
    owners = np.repeat(np.arange(n), counts)
    expected = diagonal.astype(complex)
    np.add.at(expected, owners, elements[:number] * np.exp(beside - log_psi[owners]))
    np.testing.assert_allclose(energies[:, 0], expected, rtol=1e-7, atol=1e-8)


def test_real_move_ratios(case, system):
    one = system(case)
    moves, n = one.purification.proposals, len(one.configurations)
    whole, beside = np.empty((n, len(moves)), dtype=complex), np.empty(n, dtype=complex)
    real = np.empty((n, len(moves)))
    for ratios in (whole, real):
        local_energy.move_ratios(one.configurations, one.amplitude, one.moves, moves, ratios, beside)
    np.testing.assert_array_equal(real, whole.real)


def test_unit_slopes(network, system, twin):
    one, other = system(network), twin(network)
    shape = (len(one.configurations), one.amplitude.width * one.wavefunction.n_units)
    slopes, expected = np.full(shape, np.nan), np.empty(shape)
    rbm.unit_slopes(one.amplitude, one.configurations, slopes)
    samples.unit_slopes(other.amplitude, other.configurations, expected)
    np.testing.assert_allclose(slopes, expected, rtol=1e-12, atol=1e-12)


def test_paths(case, system, twin):
    """Ratios of moves made one after the other, and those of single moves from many configurations."""
    compiled, expected = system(case), twin(case)
    for start in range(6):
        path = compiled.path(40, seed=start)
        ends = []
        for module, one in ((metropolis, compiled), (samples, expected)):
            visible, ratios = one.configurations[start].copy(), np.empty(len(path), dtype=complex)
            log_psi = module.follow_path(visible, one.amplitude, one.moves, path, 1e-3, ratios)
            ends.append((visible, ratios, np.array([log_psi])))
        (visible, ratios, log_psi), (expected_visible, expected_ratios, expected_log_psi) = ends
        np.testing.assert_array_equal(visible, expected_visible)
        np.testing.assert_allclose(ratios, expected_ratios, rtol=1e-8, atol=1e-10)
        assert_same_logarithms(log_psi, expected_log_psi, 1e-8)
        assert np.count_nonzero(ratios)


def test_read_only_inputs_are_accepted(case, system):
    one = system(case)
    one.configurations.flags.writeable = False
    parts = [getattr(one.wavefunction, name, None) for name in ("first", "second")]
    for holder in (one.wavefunction, one.purification, one.move_list, *parts):
        for array in vars(holder).values() if holder is not None else ():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
    one.__post_init__()
    assert np.isfinite(evaluated(COMPILED, one)[2]).all()
    path, ratios = one.path(5), np.empty(5, dtype=complex)
    path.flags.writeable = False
    metropolis.follow_path(one.configurations[0].copy(), one.amplitude, one.moves, path, 0.0, ratios)


def test_results_do_not_depend_on_the_neighbours_in_a_block(case, system):
    """Bit for bit: chains must not notice how many ranks share them."""
    one = system(case)
    everything = evaluated(COMPILED, one)
    for start, stop in ((0, 1), (3, 10), (5, 21), (20, 21)):
        part = system(case)
        part.configurations = one.configurations[start:stop]
        for values, expected in zip(evaluated(COMPILED, part), everything, strict=True):
            np.testing.assert_array_equal(values, expected[start:stop])


def test_no_configurations(case, system):
    one = system(case)
    one.configurations = one.configurations[:0]
    assert [len(values) for values in evaluated(COMPILED, one)] == [0, 0, 0, 0]


FEW_MODULES = "rbm", "permanent", "pair_determinant", "class_sums"
MODULES = *FEW_MODULES, "twins", "pairing", "softened", "determinant"


@pytest.mark.parametrize("modules", [FEW_MODULES, pytest.param(MODULES, marks=pytest.mark.slow)], ids=["few", "all"])
@pytest.mark.parametrize("name", rbm.instruction_sets()[0])
def test_other_instruction_sets(name, modules):
    """The numbers of the kernels again, in a process of its own for every other one that the processor runs."""
    names, in_use = rbm.instruction_sets()
    if name not in names[: names.index(in_use)]:
        pytest.skip("in use already" if name == in_use else "not an instruction set of this processor")
    environment = {**os.environ, "HPC_NQS_SIMD": name}
    tests = [str(HERE / f"test_{module}.py") for module in modules]
    shown = "from hpc_nqs.kernels.rbm import instruction_sets; print(instruction_sets()[1])"
    for arguments, expected in (
        (["-c", shown], name),
        (["-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not instruction_sets", *tests], " passed"),
    ):
        command = [sys.executable, "-P", *arguments]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0 and expected in result.stdout, result.stdout + result.stderr


@pytest.mark.parametrize("n_features", [1, 2, 3, 7, 8, 9, 16, 17])
@pytest.mark.parametrize("is_complex", [False, True])
def test_any_number_of_units(n_features, is_complex, system, twin):
    """Rows are padded to whole vectors; features of one unit each probe every remainder."""
    case = (3, {"kind": "tfim"}, "rbm", (), {"n_features": n_features, "bias": True, "is_complex": is_complex})
    log_psi, derivs, energies, _ = evaluated(COMPILED, system(case, n_configurations=3))
    expected_log_psi, expected_derivs, expected_energies, _ = evaluated(TWINS, twin(case, n_configurations=3))
    assert_same_logarithms(log_psi, expected_log_psi)
    np.testing.assert_allclose(derivs, expected_derivs, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(energies, expected_energies, rtol=1e-9, atol=1e-11)


def test_parameters_stand_for_weights_of_both_signs(system):
    """The cases above hold signed parameters and fixed weights, without which half of `log_derivs` were not tried."""
    weights = [system(name).wavefunction.weight_param for name in ("signed", "signed_complex")]
    assert all(np.any(param < 0) and np.any(param > 0) and np.any(param == 0) for param in weights)
    bias = system("signed_bias").wavefunction.input_bias_param
    assert np.any(bias < 0) and np.any(bias > 0)
