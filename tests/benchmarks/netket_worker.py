"""The NetKet side of `against_netket`: runs in an environment of its own, one command per line on standard input.

    {"do": "set_up", "file": FILE}      the system and the network in FILE (.npz, written by `against_netket`)
    {"do": NAME}                        time one part: sample, energies, step_cg, step_kernel

Every answer is one line of JSON.  The first call of a part compiles; `against_netket` throws its time away.
"""

import json
import os
import sys
import time

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import jax
import netket
import numpy as np
import optax
from netket.driver import VMC_SR
from netket.optimizer.solver import cholesky


class Peer:
    """The system of one file in NetKet, and one method per part that is timed."""

    def __init__(self, file):
        given = dict(np.load(file))
        n_visible, n_samples = int(given["n_visible"]), int(given["n_samples"])
        hilbert = netket.hilbert.Spin(0.5, n_visible, total_sz=0)
        edges = [(int(i), int(j), int(c)) for i, j, c in given["bonds"]]
        graph = netket.graph.Graph(edges, n_nodes=n_visible)
        couplings = [float(c) / 4 for c in given["couplings"]]  # NetKet's are of Pauli matrices
        operator = netket.operator.Heisenberg(hilbert, graph, J=couplings, sign_rule=[False] * len(couplings))
        self.operator = operator.to_jax_operator()
        pairs = [(int(i), int(j)) for i, j in given["exchanges"]]
        sampler = netket.sampler.MetropolisExchange(
            hilbert, clusters=pairs, n_chains=int(given["n_chains"]), sweep_size=n_visible
        )
        n_hidden = given["weights"].shape[0]
        model = netket.models.RBM(alpha=n_hidden / n_visible, param_dtype=complex)
        self.state = netket.vqs.MCState(sampler, model, n_samples=n_samples, n_discard_per_chain=0, seed=1)
        self.state.parameters = {
            "Dense": {"kernel": given["weights"].T, "bias": given["hidden_bias"]},
            "visible_bias": given["visible_bias"],
        }
        self.configurations = given["configurations"]
        self.shift, self.tolerance = float(given["diag_shift"]), float(given["tolerance"])

    def energies(self):
        """Local energies of the configurations of the state."""
        return jax.block_until_ready(self.state.local_estimators(self.operator))

    def sample(self):
        """One sweep (n_visible proposals) per sample."""
        self.state.reset()
        return jax.block_until_ready(self.state.sample())

    def given_energies(self):
        """Local energies of the configurations of the file, to compare with the other side."""
        value = self.state.log_value(self.configurations)
        connected, elements = self.operator.get_conn_padded(self.configurations)
        logarithms = self.state.log_value(connected.reshape(-1, connected.shape[-1])).reshape(elements.shape)
        return np.asarray((elements * np.exp(logarithms - value[:, None])).sum(axis=1))

    def step_cg(self):
        """A whole step with conjugate gradients on the geometric tensor that is never stored."""
        self._step_cg = getattr(self, "_step_cg", None) or self._make_cg()
        self.state.reset()
        self._step_cg.run(1, out=(), show_progress=False)
        return jax.block_until_ready(self.state.parameters)

    def _make_cg(self):
        def solver(matrix, vector, **_):
            return jax.scipy.sparse.linalg.cg(matrix, vector, tol=self.tolerance)

        sr = netket.optimizer.SR(
            qgt=netket.optimizer.qgt.QGTOnTheFly, solver=solver, diag_shift=self.shift, holomorphic=True
        )
        return netket.VMC(self.operator, optax.sgd(0.0), variational_state=self.state, preconditioner=sr)

    def step_kernel(self):
        """A whole step in the space of samples; NetKet has it for real and imaginary parts as two parameters only."""
        if not hasattr(self, "_step_kernel"):
            self._step_kernel = VMC_SR(
                self.operator, optax.sgd(0.0), diag_shift=self.shift, variational_state=self.state, use_ntk=True,
                on_the_fly=False, mode="complex", linear_solver=cholesky,
            )
        self.state.reset()
        self._step_kernel.run(1, out=(), show_progress=False)
        return jax.block_until_ready(self.state.parameters)


def main():
    """Answer the commands on standard input; what NetKet prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = None
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "set_up":
            peer = Peer(command["file"])
            np.save(command["file"] + ".energies.npy", peer.given_energies())
            answer = {"version": netket.__version__, "parameters": peer.state.n_parameters}
        else:
            start, start_cpu = time.perf_counter(), time.process_time()
            try:
                getattr(peer, command["do"])()
                answer = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - start_cpu}
            except (TypeError, ValueError, NotImplementedError, MemoryError, RuntimeError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
