"""A Slurm of this machine alone: its daemons live in a scratch folder and end, by their process ids, with the tests."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import hpc_nqs

ROOT = Path(__file__).parents[2]
DAEMONS = ("slurmctld", "slurmd", "munged")

CONFIGURATION = """
ClusterName=ci
SlurmctldHost={controller}({address})
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=3600
FirstJobId={first_job}
SchedulerParameters=sched_interval=2,bf_interval=2
{nodes}
PartitionName=ci Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def find(program):
    """Return the path of a program, looked for where Debian puts daemons too."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


class Cluster:
    """A running Slurm.

    Parameters
    ----------
    folder : Path
        For its state, its logs and its socket; the path must be short.
    nodes : dict of str: (str, list of str)
        Host name to its address and the command that runs a command there; the first node is the controller too.
    environment : dict
        Of the commands and the jobs.
    """

    def __init__(self, folder, nodes, environment):
        self.folder, self.nodes = folder, nodes
        self.environment = environment | {"SLURM_CONF": str(folder / "slurm.conf")}
        self.processes = []
        self.controller = next(iter(nodes))

    def __enter__(self):
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        (self.folder / "slurm.conf").write_text(self._configuration())
        files = {"key-file": key, "socket": "munge.sock", "pid-file": "munged.pid", "seed-file": "munge.seed"}
        files |= {"log-file": "munged.log"}
        options = [f"--{name}={self.folder / file}" for name, file in files.items()]
        self._start(self.controller, "munged", "--force", "--foreground", *options)
        self.wait_for((self.folder / "munge.sock").exists, 20, "the socket of munged")
        self._start(self.controller, "slurmctld", "-D", "-i")
        for node in self.nodes:
            (self.folder / f"spool-{node}").mkdir()
            self._start(node, "slurmd", "-D")
        try:
            states = ["idle"] * len(self.nodes)
            look = ("sinfo", "-h", "-N", "-o", "%T")
            self.wait_for(lambda: self.command(*look).stdout.split() == states, 60, "idle nodes")
        except BaseException:
            self.__exit__()
            for log in sorted(self.folder.glob("*.log")):
                print(log.name, *log.read_text().splitlines()[-12:], sep="\n    ")
            raise
        return self

    def __exit__(self, *exception):
        self.command("scancel", "--user", str(os.getuid()))
        deadline = time.monotonic() + 20
        while self.command("squeue", "-h").stdout.strip() and time.monotonic() < deadline:
            time.sleep(0.2)
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, node, program, *options):
        command = [*self.nodes[node][1], find(program), *map(str, options)]
        log = open(self.folder / f"{program}-{node}.out", "w")  # closed with the process
        with log:
            process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        self.processes.append(process)

    def _configuration(self):
        ports = []
        for _ in range(2):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                ports.append(probe.getsockname()[1])
        n_processors = os.cpu_count()
        nodes = [
            f"NodeName={name} NodeAddr={address} CPUs={n_processors} RealMemory=1000 State=UNKNOWN"
            for name, (address, _) in self.nodes.items()
        ]
        return CONFIGURATION.format(
            controller=self.controller,
            address=self.nodes[self.controller][0],
            controller_port=ports[0],
            node_port=ports[1],
            user=pwd.getpwuid(os.getuid()).pw_name,
            folder=self.folder,
            # MPICH names its shared memory after the number of the job: that of a killed job must not be met again
            first_job=1 + int(time.time()) % 60_000_000,
            nodes="\n".join(nodes),
        )

    def command(self, *words, **options):
        """Run a command of Slurm on the controller; return what `subprocess.run` does."""
        options = {"capture_output": True, "text": True, "timeout": 60, "env": self.environment} | options
        return subprocess.run([*self.nodes[self.controller][1], *map(str, words)], check=False, **options)

    @staticmethod
    def wait_for(condition, seconds, what):
        """Return the first true value of condition(), asked for again and again."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.2)
        return pytest.fail(f"{what} did not come in {seconds} s")

    def submit(self, folder, *words):
        """Submit with sbatch from a folder; return the number of the job."""
        done = self.command("sbatch", "--parsable", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def about(self, job):
        """Return what scontrol shows of a job, as a dict of its words; of an array, its first task."""
        words = self.command("scontrol", "show", "job", "-o", job).stdout.splitlines()[0].split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait(self, job, seconds):
        """Return what scontrol shows of a job that has ended for good, every task of an array included."""
        ended = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL")

        def over():
            lines = self.command("scontrol", "show", "job", "-o", job).stdout.splitlines()
            states = [word.split("=")[1] for line in lines for word in line.split() if word.startswith("JobState=")]
            return states and all(state in ended for state in states)

        try:
            self.wait_for(over, seconds, f"the end of job {job}")
        except BaseException:
            print(self.command("scontrol", "show", "job", job).stdout)
            raise
        return self.about(job)


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """Return a function that makes a scratch folder of a short name: paths of sockets are limited."""
    missing = [name for name in DAEMONS if find(name) is None]
    if missing:
        pytest.skip(f"no Slurm on this machine: {', '.join(missing)} not found (Debian: slurm-wlm, munge)")
    folders = []

    def make():
        folders.append(Path("/tmp") / f"slurm-{os.getpid()}-{len(folders)}")
        folders[-1].mkdir()
        return folders[-1]

    yield make
    for folder in folders:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def slurm(scratch):
    """A Slurm of one node."""
    nodes = {socket.gethostname().split(".")[0]: ("127.0.0.1", [])}
    with Cluster(scratch(), nodes, job_environment()) as cluster:
        yield cluster


@pytest.fixture
def site(tmp_path):
    """A folder to submit from, with the .venv that the job scripts expect."""
    activate = tmp_path / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    package = Path(hpc_nqs.__file__).parents[1]
    (activate.parent / "hpc-nqs").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hpc_nqs "$@"\n')
    (activate.parent / "hpc-nqs").chmod(0o755)
    lines = [f'export PATH="{activate.parent}:{Path(sys.executable).parent}:$PATH"']
    if package == ROOT:  # not installed: found through the path
        lines.append(f'export PYTHONPATH="{package}"')
    activate.write_text("\n".join(lines) + "\n")
    return tmp_path


def job_environment():
    """Return the environment of the jobs: without what a launcher around these tests left in it."""
    launchers = ("PMI", "OMPI_", "PRTE_", "HYDI", "MPIR_", "MPI_LOCAL", "SLURM_", "SBATCH_", "SRUN_")
    return {name: value for name, value in os.environ.items() if not name.startswith(launchers)}


@pytest.fixture(scope="session")
def two_nodes(scratch):
    """A Slurm of two nodes: two network namespaces with host names of their own and a cable between them."""
    missing = [name for name in ("ip", "nsenter", "unshare") if find(name) is None]
    if os.getuid() != 0 or missing:
        pytest.skip("two nodes on one machine need root, ip, nsenter and unshare")
    names = [f"hpcnqs{os.getpid()}{letter}" for letter in "ab"]
    addresses = ["192.0.2.1", "192.0.2.2"]  # reserved for documentation: they lead nowhere else

    def ip(*words):
        return subprocess.run([find("ip"), *words], capture_output=True, text=True, check=False)

    try:
        for name in names:
            made = ip("netns", "add", name)
            if made.returncode:
                pytest.skip(f"no network namespaces on this machine: {made.stderr.strip()}")
        ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
        nodes = {}
        for name, address in zip(names, addresses, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
            rename = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name]
            nodes[name] = (address, ["nsenter", f"--net=/run/netns/{name}", *rename])
        # MPICH's transport knows by the boot id of the machine that it could share memory: it must not
        with Cluster(scratch(), nodes, job_environment() | {"UCX_TLS": "tcp"}) as cluster:
            yield cluster
    finally:
        for name in names:
            ip("netns", "delete", name)
