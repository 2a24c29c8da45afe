"""Starts a process in a root file system as a container runtime does: own mounts and process ids, capabilities taken away, a root that
cannot be written. Argument: a JSON object, see image-runner.ts. Needs root. Knows Linux; knows no image."""
import ctypes
import json
import os
import signal
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}[os.uname().machine]

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 23, 24, 38

# include/uapi/linux/capability.h, in its order.
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE
SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()

READ_ONLY_OF_PROC = ["bus", "fs", "irq", "sys", "sysrq-trigger"]
DEVICES = ["full", "null", "random", "tty", "urandom", "zero"]


def call(what, result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def text(value):
    return None if value is None else os.fsencode(value)


def mount(source, target, kind=None, flags=0, data=None):
    result = LIBC.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data))
    call(f"mount {kind or source} on {target}", result)


def bind(source, target, read_only):
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            open(target, "w").close()
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        mount(None, target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def make_root(spec):
    """The image with mount points in memory above it; nothing outside of this process's mounts changes."""
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    image = spec["root"]
    # What is below the image does not see what is mounted on it.
    memory = os.path.join(image, "proc")
    mount("tmpfs", memory, "tmpfs")
    upper, work, root = (os.path.join(memory, name) for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        os.mkdir(folder)
    mount("overlay", root, "overlay", data=f"lowerdir={image},upperdir={upper},workdir={work}")
    return root


def fill_root(root, spec):
    inside = lambda path: root + path
    mount("proc", inside("/proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    if not spec["privileged"]:
        for name in READ_ONLY_OF_PROC:
            path = inside(f"/proc/{name}")
            if os.path.exists(path):
                bind(path, path, True)
    mount("sysfs", inside("/sys"), "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | (0 if spec["privileged"] else MS_RDONLY))
    mount("tmpfs", inside("/dev"), "tmpfs", MS_NOSUID, "mode=755")
    for name in DEVICES:
        bind(f"/dev/{name}", inside(f"/dev/{name}"), False)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, inside(f"/dev/{name}"))
    for path, content in spec["files"].items():
        os.makedirs(os.path.dirname(inside(path)), exist_ok=True)
        with open(inside(path), "w") as file:
            file.write(content)
        os.chmod(inside(path), 0o644)
    for volume in spec["binds"]:
        bind(volume["source"], inside(volume["target"]), volume["readOnly"])
    for target in spec["tmpfs"]:
        os.makedirs(inside(target), exist_ok=True)
        mount("tmpfs", inside(target), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")


def enter_root(root, read_only):
    os.chdir(root)
    call("pivot_root", LIBC.syscall(PIVOT_ROOT, b".", b"."))
    call("umount of the old root", LIBC.umount2(b".", MNT_DETACH))
    os.chdir("/")
    if read_only:
        mount(None, "/", flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def give_up_rights(spec):
    if not spec["privileged"]:
        kept = {CAPABILITIES.index(name) for name in spec["capabilities"]}
        number = 0
        while LIBC.prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
            if number not in kept:
                call(f"dropping capability {number}", LIBC.prctl(PR_CAPBSET_DROP, number, 0, 0, 0))
            number += 1
        call("no_new_privs", LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    os.setgroups(spec["groups"])
    os.setgid(spec["gid"])
    os.setuid(spec["uid"])


def run_inside(spec):
    root = make_root(spec)
    fill_root(root, spec)
    enter_root(root, spec["readOnlyRoot"])
    give_up_rights(spec)
    # A change of user forgets it.
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.umask(0o022)
    os.chdir(spec["workingDir"])
    os.execvpe(spec["argv"][0], spec["argv"], spec["env"])


def main():
    spec = json.loads(sys.argv[1])
    if spec["networkNamespace"] is not None:
        with open(f"/run/netns/{spec['networkNamespace']}") as namespace:
            call("setns", LIBC.setns(namespace.fileno(), CLONE_NEWNET))
    call("unshare", LIBC.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS))
    LIBC.sethostname(text(spec["hostname"]), len(text(spec["hostname"])))
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    child = os.fork()
    if child == 0:
        try:
            run_inside(spec)
        except Exception as error:
            sys.stderr.write(f"image_runner: {error}\n")
            os._exit(128)
    # Nothing of this one is of interest any more: it passes signals on and ends as the process did.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT):
        signal.signal(number, lambda received, _: os.kill(child, received))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(os.WEXITSTATUS(status))


main()
