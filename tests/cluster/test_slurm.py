"""The job scripts under a real Slurm."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.settings.parsing import parse_settings

pytestmark = pytest.mark.cluster

SCRIPTS = Path(__file__).parents[2] / "jobscripts"
SAMPLING = {"method": "metropolis", "n_samples": 64, "n_chains": 5, "n_warm_up": 10}


def write_input(folder, betas, **sections):
    """Write input.toml of a small ring."""
    tables = {"run": {"seed": 7}, "lattice": {"kind": "chain", "lengths": [4]}, "model": {"kind": "heisenberg"}}
    tables |= {"wavefunction": {"alpha": 2}, "sampling": SAMPLING}
    tables |= {"thermal": {"betas": betas, "beta_0": 0.1}}
    (folder / "input.toml").write_text(parse_settings(tables | sections).to_toml())


@pytest.mark.parametrize("script", ["thermal.sbatch", "ground_state.sbatch"])
def test_a_job_runs_on_two_ranks_and_finishes(slurm, site, script):
    if script == "thermal.sbatch":
        write_input(site, [0.2, 0.35])
    else:
        write_input(site, [0.2], run={"seed": 7, "task": "ground_state"}, ground_state={"n_steps": 20})
    job = slurm.submit(site, "--ntasks=2", "--mem-per-cpu=100", SCRIPTS / script, "input.toml")
    about = slurm.wait(job, 60)
    output = (site / f"hpc_nqs-{job}.out").read_text()
    assert about["JobState"] == "COMPLETED", output
    table = checkpoint.read_table(site / "input.h5")
    assert table["finished"]
    assert table["task"] == script.removesuffix(".sbatch")
    assert table["n_ranks"] == 2


def contents(path):
    """Return what a run has computed: everything but times and numbers of ranks."""
    state, table = checkpoint.read_state(path), checkpoint.read_table(path)
    history = checkpoint.read_history(path)
    return {
        "rows": table["rows"],
        "params": state["params"].tobytes(),
        "chains": {name: array.tobytes() for name, array in state["chains"].items()},
        "history": {name: column.tobytes() for name, column in history.items() if name != "seconds"},
    }


def test_a_job_beyond_its_limit_is_signalled_requeued_and_finishes_by_itself(slurm, site):
    """One minute of limit, more than one of work; the reference is the same work without interruption."""
    betas = [0.11 + 0.002 * k for k in range(2000)]
    write_input(site, betas)
    command = [site / ".venv/bin/hpc-nqs", "run", "input.toml", "-o", "reference.h5"]
    command = ["timeout", "--signal=USR1", "80", *command]
    reference = subprocess.run(command, cwd=site, env=slurm.environment, stdout=subprocess.DEVNULL, check=False)
    assert reference.returncode == 124
    n_rows = len(checkpoint.read_table(site / "reference.h5")["rows"]) + 1
    assert 5 < n_rows < len(betas), "the machine is faster or slower than this test expects"
    command = [site / ".venv/bin/hpc-nqs", "resume", "reference.h5", "--set", f"thermal.betas={betas[:n_rows]}"]
    subprocess.run(command, cwd=site, env=slurm.environment, check=True, stdout=subprocess.DEVNULL)
    write_input(site, betas[:n_rows])
    options = ["--ntasks=1", "--mem-per-cpu=100", "--time=1", "--signal=USR1@20"]
    job = slurm.submit(site, *options, SCRIPTS / "thermal.sbatch", "input.toml")
    about = slurm.wait(job, 900)  # a requeued job waits for two minutes; other programs may slow it down
    output = (site / f"hpc_nqs-{job}.out").read_text()
    print(*(line for line in output.splitlines() if "checkpoint" in line or "step " in line), sep="\n")
    assert about["JobState"] == "COMPLETED", output
    assert int(about["Restarts"]) >= 1
    assert "stopping at a checkpoint: " in output
    found, expected = contents(site / "input.h5"), contents(site / "reference.h5")
    assert [name for name in expected if found[name] != expected[name]] == []


def test_a_job_stops_in_time_without_any_signal(slurm, site):
    write_input(site, [0.11 + 0.002 * k for k in range(2000)])
    options = ["--ntasks=2", "--mem-per-cpu=100", "--time=1", "--signal=USR1@0", "--no-requeue"]
    job = slurm.submit(site, *options, SCRIPTS / "thermal.sbatch", "input.toml")
    about = slurm.wait(job, 120)
    output = (site / f"hpc_nqs-{job}.out").read_text()
    assert "s are left of the job" in output
    assert about["ExitCode"] == "75:0"
    assert "requeue" not in output
    assert not checkpoint.read_table(site / "input.h5")["finished"]


def test_an_array_over_seeds_and_its_collecting_step(slurm, site):
    write_input(site, [0.2, 0.35])
    options = ["--ntasks=1", "--mem-per-cpu=100"]
    array = slurm.submit(site, "--array=0-3", *options, SCRIPTS / "array.sbatch", "input.toml", "run.seed", 1, 2, 3, 4)
    words = ["--mem-per-cpu=100", f"--dependency=afterany:{array}", SCRIPTS / "collect.sbatch"]
    collector = slurm.submit(site, *words, "all.csv", "input-run.seed=*.h5")
    about = slurm.wait(collector, 120)
    output = (site / f"hpc_nqs_collect-{collector}.out").read_text()
    assert about["JobState"] == "COMPLETED", output
    assert "8 rows of 4 runs are in all.csv" in output
    with open(site / "all.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == [f"input-run.seed={seed}.h5" for seed in (1, 1, 2, 2, 3, 3, 4, 4)]
    for row in rows:
        table = checkpoint.read_table(site / row["run"])
        assert table["settings"]["run"]["seed"] == int(row["run"][-4])
        assert float(row["energy"]) in [each["energy"] for each in table["rows"]]
    assert len({row["energy"] for row in rows}) == 8


def test_an_array_over_couplings(slurm, site):
    write_input(site, [0.2])
    options = ["--ntasks=1", "--mem-per-cpu=100", "--array=0-1"]
    array = slurm.submit(
        site, *options, SCRIPTS / "array.sbatch", "input.toml", "model.couplings", "[1.0,0.3]", "[0.5]"
    )
    slurm.wait(array, 120)
    for name, couplings in {"_1.0_0.3_": [1.0, 0.3], "_0.5_": [0.5]}.items():
        table = checkpoint.read_table(site / f"input-model.couplings={name}.h5")
        assert table["finished"]
        assert table["settings"]["model"]["couplings"] == couplings


def test_the_collecting_step_says_what_is_missing(slurm, site):
    write_input(site, [0.2])
    job = slurm.submit(site, "--mem-per-cpu=100", SCRIPTS / "collect.sbatch", "all.csv", "nothing-*.h5")
    assert slurm.wait(job, 60)["JobState"] == "FAILED"
    assert "no run fits nothing-*.h5" in (site / f"hpc_nqs_collect-{job}.out").read_text()


def test_a_chain_of_dependent_jobs(slurm, site):
    """The first job gets a signal, the second finishes, the third finds nothing left to do."""
    write_input(site, [0.11 + 0.002 * k for k in range(60)])
    options = ["--ntasks=2", "--mem-per-cpu=100"]
    command = ["bash", SCRIPTS / "chain.sh", 3, SCRIPTS / "thermal.sbatch", "input.toml", *options]
    jobs = slurm.command(*command, cwd=site).stdout.split()
    assert len(jobs) == 3
    run_file = site / "input.h5"
    slurm.wait_for(lambda: run_file.exists() and checkpoint.read_table(run_file)["rows"], 60, "a result")
    assert slurm.command("scancel", "--signal=USR1", jobs[0]).returncode == 0
    abouts = [slurm.wait(job, 120) for job in jobs]
    assert [about["ExitCode"] for about in abouts] == ["75:0", "0:0", "0:0"]
    assert checkpoint.read_table(site / "input.h5")["finished"]
    for job in jobs:
        assert "requeue" not in (site / f"hpc_nqs-{job}.out").read_text()


def test_the_scaling_script_makes_a_table(slurm, site):
    write_input(site, [0.2])
    job = slurm.submit(site, "--ntasks=2", "--mem-per-cpu=100", SCRIPTS / "scaling.sbatch", "input.toml")
    assert slurm.wait(job, 60)["JobState"] == "COMPLETED", (site / f"hpc_nqs_scaling-{job}.out").read_text()
    with open(site / "input-scaling.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["ranks"] for row in rows] == ["1", "2"]
    assert float(rows[0]["speed_up"]) == 1.0
    assert float(rows[1]["efficiency"]) == pytest.approx(float(rows[1]["speed_up"]) / 2, abs=1e-3)
    assert checkpoint.read_table(site / "input-2.h5")["n_ranks"] == 2


def test_a_launcher_that_does_not_match_is_loud(slurm, site):
    write_input(site, [0.2])
    script = (SCRIPTS / "thermal.sbatch").read_text().replace("--mpi=pmi2", "--mpi=none")
    (site / "wrong.sbatch").write_text(script)
    job = slurm.submit(site, "--ntasks=2", "--mem-per-cpu=100", "wrong.sbatch", "input.toml")
    assert slurm.wait(job, 60)["JobState"] == "FAILED"
    assert "the launcher announced 2 processes" in (site / f"hpc_nqs-{job}.out").read_text()
    assert not (site / "input.h5").exists()


def test_mpiexec_in_place_of_srun_is_signalled_too(slurm, site):
    write_input(site, [0.11 + 0.002 * k for k in range(2000)])
    script = (SCRIPTS / "thermal.sbatch").read_text().replace('"srun --mpi=pmi2 --kill-on-bad-exit=1"', "mpiexec")
    (site / "mpiexec.sbatch").write_text(script)
    job = slurm.submit(site, "--ntasks=2", "--mem-per-cpu=100", "--no-requeue", "mpiexec.sbatch", "input.toml")
    slurm.wait_for((site / "input.h5").exists, 180, "the first checkpoint")
    assert slurm.command("scancel", "--signal=USR1", job).returncode == 0
    about = slurm.wait(job, 60)
    assert about["ExitCode"] == "75:0"
    assert checkpoint.read_table(site / "input.h5")["n_ranks"] == 2


def test_a_killed_rank_ends_the_job(slurm, site):
    write_input(site, [0.11 + 0.002 * k for k in range(2000)])
    job = slurm.submit(site, "--ntasks=2", "--mem-per-cpu=100", SCRIPTS / "thermal.sbatch", "input.toml")
    slurm.wait_for((site / "input.h5").exists, 180, "the first checkpoint")
    pids = slurm.command("scontrol", "listpids", job).stdout.splitlines()
    ranks = [int(line.split()[0]) for line in pids if line.split()[-1] == "1"]
    os.kill(ranks[0], signal.SIGKILL)
    begin = time.monotonic()
    about = slurm.wait(job, 60)
    assert time.monotonic() - begin < 20
    assert about["JobState"] == "FAILED"
    checkpoint.read_state(site / "input.h5")


def test_ranks_on_two_nodes_talk_over_the_network(two_nodes, site):
    def sent():
        link = two_nodes.command("ip", "-s", "-j", "link", "show", "eth0").stdout
        return json.loads(link)[0]["stats64"]["tx"]["bytes"]

    write_input(site, [0.2], wavefunction={"alpha": 8, "symmetries": []})  # matrices of some megabytes to sum
    options = ["--nodes=2", "--ntasks=2", "--ntasks-per-node=1", "--mem-per-cpu=100"]
    before = sent()
    job = two_nodes.submit(site, *options, SCRIPTS / "thermal.sbatch", "input.toml")
    about = two_nodes.wait(job, 120)
    output = (site / f"hpc_nqs-{job}.out").read_text()
    n_bytes = sent() - before
    print(f"{n_bytes} bytes went from the first node to the second")
    assert about["JobState"] == "COMPLETED", output
    assert about["NumNodes"] == "2"
    table, n_params = checkpoint.read_table(site / "input.h5"), checkpoint.read_state(site / "input.h5")["params"].size
    assert table["finished"]
    assert table["n_ranks"] == 2
    assert n_bytes > 4 * n_params**2 > 1_000_000
