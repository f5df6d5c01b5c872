"""What the tests trace: commands, small Python programs that make many calls, and a 32-bit program."""

from __future__ import annotations

import os
import sys

from tracer.decode.names import call_numbers, machine_architectures

_AUDIT = machine_architectures(os.uname().machine)[0].audit

THREADS = """
import threading, time
for number in range(3):
    thread = threading.Thread(target=print, args=(number,))
    thread.start()
    thread.join()
time.sleep(0.1)  # joined is not gone yet
"""
THREAD_EXECUTES = """
import os, threading, time
threading.Thread(target=lambda: time.sleep(0.1) or os.execvp("true", ["true"])).start()
time.sleep(5)
"""
PROCESSES = """
import os, subprocess
subprocess.run(["true"])
os.waitpid(os.posix_spawnp("sh", ["sh", "-c", "exit 3"], os.environ), 0)
"""
SIGNALS = """
import os, signal, time
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})
os.kill(os.getpid(), signal.SIGUSR1)
print(signal.sigpending(), signal.sigtimedwait({signal.SIGUSR1}, 1))
signal.pthread_sigmask(signal.SIG_SETMASK, set())
signal.setitimer(signal.ITIMER_REAL, 0.05)
signal.signal(signal.SIGALRM, lambda *_: None)
signal.pause()
"""
WAITING = """
import os, select, time
first, second = os.pipe()
os.write(second, b"x")
poll = select.poll()
poll.register(first, select.POLLIN)
poll.register(second, select.POLLOUT)
poll.poll(1000)
select.select([first], [second], [], 5)
select.select([], [], [first], 0.01)
epoll = select.epoll()
epoll.register(first, select.EPOLLIN | select.EPOLLET)
epoll.poll(1)
time.sleep(0.01)
"""
FILES = """
import fcntl, os, struct
os.mkdir("d")
number = os.open("d/x", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
os.pwrite(number, b"some text\\n", 3)
os.preadv(number, [bytearray(4), bytearray(100)], 2)
os.writev(number, [b"a", b"bc"])
fcntl.fcntl(number, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK)
fcntl.fcntl(number, fcntl.F_GETFL)
fcntl.lockf(number, fcntl.LOCK_EX | fcntl.LOCK_NB, 4, 1)
fcntl.flock(number, fcntl.LOCK_SH)
fcntl.fcntl(number, fcntl.F_GETLK, struct.pack("hhqqi4x", 1, 0, 0, 0, 0))
os.posix_fallocate(number, 0, 100)
os.posix_fadvise(number, 0, 0, os.POSIX_FADV_SEQUENTIAL)
os.ftruncate(number, 7)
os.truncate("d/x", 5)
os.fsync(number); os.fdatasync(number)
os.utime("d/x", ns=(1, 2)); os.utime("d/x", (0, 0)); os.utime("d/x")
os.chmod("d/x", 0o4755); os.chown("d/x", -1, 0)
os.setxattr("d/x", "user.a", b"value"); os.listxattr("d/x")
os.getxattr("d/x", "user.a"); os.removexattr("d/x", "user.a")
os.link("d/x", "d/y"); os.symlink("x", "d/z"); os.readlink("d/z"); os.rename("d/y", "d/w")
os.statvfs("d"); os.access("d/x", os.R_OK | os.X_OK); os.listdir("d")
other = os.memfd_create("name", os.MFD_CLOEXEC)
os.sendfile(other, number, 0, 5)
os.copy_file_range(number, other, 3, 0, 1)
os.lseek(other, -1, os.SEEK_END); os.dup2(other, 50); os.dup(other); os.eventfd(3)
os.mkfifo("d/f"); os.mknod("d/null", 0o20666, os.makedev(1, 3)) if os.getuid() == 0 else None
os.chdir("d"); os.getcwd(); os.umask(0o77)
for name in os.listdir("."): os.unlink(name)
os.rmdir("../d")
"""
SOCKETS = """
import os, socket, struct
server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
server.bind("sock"); server.listen(3)
client = socket.socket(socket.AF_UNIX); client.connect("sock")
taken, _ = server.accept()
client.sendall(b"hello"); taken.recv(3)
taken.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12); client.getpeername(); taken.getpeername()
first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
socket.send_fds(first, [b"x"], [0, 1]); socket.recv_fds(second, 10, 2)
inet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); inet.bind(("127.0.0.1", 0))
inet.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); inet.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
try: socket.create_connection(("127.0.0.1", 9), 1)
except OSError: pass
six = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
try: six.connect(("::1", 9))
except OSError: pass
taken.shutdown(socket.SHUT_RDWR)
abstract = socket.socket(socket.AF_UNIX); abstract.bind("\\0abc")
"""
SYSTEM = """
import ctypes, os, resource, time
resource.getrlimit(resource.RLIMIT_NOFILE); resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.getrusage(resource.RUSAGE_SELF)
os.uname(); os.times(); os.getpriority(os.PRIO_PROCESS, 0); os.sched_getscheduler(0)
os.getgroups(); os.getresuid(); os.getresgid()
os.getpgid(0); os.getsid(0); os.sched_yield(); os.nice(1)
time.clock_getres(time.CLOCK_MONOTONIC)
libc = ctypes.CDLL(None, use_errno=True)
name = ctypes.create_string_buffer(16)
for option, value in ((15, b"name"), (16, name), (3, 0), (4, 1), (38, 0), (36, 1), (23, 21), (99, 1)):
    libc.prctl(option, value, 0, 0, 0)
libc.personality(0xffffffff)
head = (ctypes.c_uint32 * 2)(0x20080522, 0); data = (ctypes.c_uint32 * 6)()
libc.capget(head, data)
libc.getrandom(data, 8, 1)
libc.syscall(334, 0, 0, 0, 0)
libc.syscall(309, data, head, 0); libc.syscall(324, 0, 0, 0); libc.syscall(148, 0, data)
log = ctypes.create_string_buffer(64)
for action, size in ((3, 64), (3, -1), (9, 0), (10, 0), (8, 99), (77, 3)): libc.syscall(103, action, log, size)
libc.syscall(103, 3, None, 5)
libc.syscall(155, b"/nonexistent/x", b"/nonexistent/y")
"""
MOUNTS = """
import ctypes
libc = ctypes.CDLL(None)
def call(number, *arguments):
    return libc.syscall(number, *[ctypes.c_long(each) if isinstance(each, int) else each for each in arguments])
context = call(430, b"tmpfs", 1)
call(431, context, 1, b"size", b"4096", 0); call(431, context, 0, b"ro", None, 0)
call(431, context, 2, b"blob", b"ab\\0c", 4); call(431, context, 2, b"long", b"v" * 50, 50)
call(431, context, 3, b"source", b"one", -100); call(431, context, 4, b"source", b"", context)
call(431, context, 5, b"fd", None, context); call(431, context, 99, b"key", b"value", 3)
call(431, context, 6, None, None, 0); call(431, context, 7, None, None, 0)
mounted = call(432, context, 1, 0x2F)
call(429, mounted, b"", -100, b"/nonexistent", 4); call(429, -100, b"one", -100, b"/nonexistent", 0x177)
call(433, -100, b"/", 1); call(433, -100, b"/nonexistent", 6)
call(428, -100, b"/", 0x88001); call(428, -100, b"/nonexistent", 0x9900)
import struct
for flags, size, attributes in (
    (0x1000FFFF, 32, None), (0, 31, (0, 0, 0, 0)), (0x8000, 32, (0, 0, 0, 0)), (0x100, 32, (0x40, 0, 0x10, 7)),
    (0x800, 32, (1 << 63 | 0x200003, 0x70, 1 << 17, 5)), (0x1000, 64, (0x100000, 0, 1 << 18, 1)),
    (0, 32, (0, 0x100000, 1 << 19, 1 << 31)), (0, 32, (0xAF, 0x20, 1 << 20, (1 << 64) - 1)),
):
    data = attributes and ctypes.create_string_buffer(struct.pack("QQQQ", *attributes), 4096)
    call(442, -100, b"/nonexistent", flags, data, size)
call(442, 77, b"", 0, 0xDEAD0000, 32)
"""
MEMORY = """
import ctypes, mmap
area = mmap.mmap(-1, 1 << 16)
area.madvise(mmap.MADV_DONTNEED); area.flush(); area.resize(1 << 17)
libc = ctypes.CDLL(None)
libc.mlock(ctypes.c_char_p(b"x"), 1); libc.munlock(ctypes.c_char_p(b"x"), 1)
libc.mmap(ctypes.c_void_p(0), 4096, 0, 0x20000022, -1, 0)
libc.mprotect(ctypes.c_void_p(0), 0, 0x40)
"""
#: Calls with arguments that mean nothing, at addresses that lead nowhere, or to zeros, or to noise.
BOGUS = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
long = ctypes.c_long
area = libc.mmap(ctypes.c_void_p(0x10000000), long(65536), 3, 0x32, -1, long(0))
patterns = (
    (-1,) * 6, (1 << 40 | 77,) + (1 << 40,) * 5, (-100,) + (area,) * 5, (77, area, 8, area, 8, area),
    (area, 77, area, 8, area, 8), (area,) * 6, (0x7FFFFFFF, 1 << 31, 0xDEADBEEF, 0x123456789ABCDEF0, 3, 5),
    (77, 1, 2, 3, 4, 5), (77,) + (0,) * 5, (area, 2, area, 16, area, 0), (77, 1, area, 4, area, 4),
)
for content in (bytes(4000), (bytes(range(1, 256)) + bytes(1)) * 20):
    for number in {numbers}:
        for pattern in patterns:
            ctypes.memmove(area, content, len(content))
            libc.syscall(long(number), *map(long, pattern))
"""
#: Calls that do no harm with any of these arguments: paths lead nowhere, or into the folder; no descriptor is open.
HARMLESS = (
    *("open", "openat", "stat", "lstat", "fstat", "newfstatat", "statx", "fstatfs", "access"),
    *("faccessat", "faccessat2", "readlink", "readlinkat", "unlinkat", "fchmod", "fchown", "futimesat", "utimensat"),
    *("setxattr", "fsetxattr", "getxattr", "fgetxattr", "flistxattr", "fremovexattr", "inotify_add_watch"),
    *("pread64", "write", "pwrite64", "lseek", "ftruncate", "fadvise64", "readahead", "fsync", "sync_file_range"),
    *("fcntl", "ioctl", "pipe2", "getdents64", "sendfile", "splice", "tee", "memfd_create", "eventfd2"),
    *("inotify_init1", "inotify_rm_watch", "epoll_create1", "epoll_ctl", "getrlimit", "getrusage"),
    *("sched_getaffinity", "sched_getscheduler", "sched_getparam", "getpriority", "capget", "pidfd_open"),
    *("socket", "socketpair", "bind", "connect", "listen", "getsockname", "getpeername", "sendto", "shutdown"),
    *("clock_getres", "timerfd_create", "timerfd_settime", "timer_gettime", "getitimer", "signalfd4", "madvise"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree"),
)

# Calls that are all registers, made often enough to be known, of which then something else comes than their result.
INTERRUPTED_AGAIN = """
import signal
signal.signal(signal.SIGALRM, lambda *_: None)
for _ in range(4):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.pause()
"""

KILLED_AGAIN = """
import os
for number in (0, 0, 0, 9): os.kill(os.getpid(), number)
"""

VFORK_AGAIN = """
import subprocess
for _ in range(3): subprocess.run(["/bin/true"])
"""


def python(source: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", source]


#: Name → command. It runs in a folder of its own with the files of `prepare`.
COMMANDS: dict[str, list[str]] = {
    "true": ["true"],
    "ls": ["ls", "-l", "."],
    "cat": ["cat", "one", "/nonexistent"],
    "cp": ["cp", "-a", "one", "copy"],
    "mv": ["mv", "one", "moved"],
    "ln": ["ln", "-s", "one", "link"],
    "rm": ["rm", "-r", "folder"],
    "mkdir": ["mkdir", "-p", "a/b/c"],
    "touch": ["touch", "one", "new"],
    "touch-date": ["touch", "-d", "2020-01-02 03:04:05.6", "one"],
    "chmod": ["chmod", "u+s", "one"],
    "stat": ["stat", "one"],
    "stat-fs": ["stat", "-f", "/"],
    "find": ["find", ".", "-name", "*o*"],
    "sort": ["sort", "-r", "one"],
    "head": ["head", "-c", "3", "one"],
    "tail": ["tail", "-n", "1", "one"],
    "wc": ["wc", "one"],
    "tee": ["tee", "copy"],
    "dd": ["dd", "if=/dev/zero", "of=out", "bs=1000", "count=20", "status=none"],
    "df": ["df", "/"],
    "du": ["du", "-s", "."],
    "date": ["date", "-u", "-d", "@0"],
    "sleep": ["sleep", "0.01"],
    "env": ["env", "-i", "A=1", "true"],
    "id": ["id"],
    "uname": ["uname", "-a"],
    "nproc": ["nproc"],
    "timeout": ["timeout", "5", "sleep", "0.5"],
    "nice": ["nice", "-n", "3", "true"],
    "mktemp": ["mktemp", "-p", "."],
    "md5sum": ["md5sum", "one"],
    "seq": ["seq", "3"],
    "xargs": ["xargs", "-a", "one", "echo"],
    "mkfifo": ["mkfifo", "pipe"],
    "readlink": ["readlink", "-f", "folder/link"],
    # Where a shell has two children, each sleeps: the first ends when the shell waits already, the second well after
    # it. Else it is chance which call a SIGCHLD interrupts, whether two become one, and what rt_sigreturn returns.
    "sh-pipe": ["sh", "-c", "(sleep 0.2; cat one) | (wc -l; sleep 0.2)"],
    "sh-background": ["sh", "-c", "sleep 0.1 & wait; exit 7"],
    "sh-failing-exec": ["sh", "-c", "/etc/passwd || /nonexistent/x || exec /tmp"],
    "killed-by-itself": ["sh", "-c", "kill -SEGV $$"],
    "killed": ["sh", "-c", "kill -KILL $$"],
    "stopped": ["sh", "-c", "(sleep 0.3; kill -CONT $$; sleep 0.3) & kill -STOP $$; wait"],
    "bash": ["bash", "--norc", "-c", "for n in 1 2; do echo $n; done > out; cat < out"],
    "perl": ["perl", "-e", 'open F, "<", "one"; print <F>; system "true"; $SIG{ALRM} = sub {}; alarm 1; sleep 3'],
    "mawk": ["mawk", "{ print $1 }", "one"],
    "sed": ["sed", "-i", "s/one/two/", "one"],
    "grep": ["grep", "-r", "one", "."],
    "tar": ["tar", "cf", "out.tar", "one", "folder"],
    "gzip": ["gzip", "-n", "one"],
    "busybox-sha256sum": ["busybox", "sha256sum", "one"],
    "busybox-sh": ["busybox", "sh", "-c", "(sleep 0.2; busybox ls) | (busybox wc -l; sleep 0.2)"],
    "busybox-find": ["busybox", "find", "."],
    "toybox-head": ["toybox", "head", "-c", "3", "one"],
    "insmod": ["insmod", "one"],
    "insmod-nothing": ["insmod", "/nonexistent.ko"],
    "busybox-insmod-nothing": ["busybox", "insmod", "/nonexistent.ko"],
    "rmmod": ["rmmod", "no_such_module"],
    "lsmod": ["lsmod"],
    "modinfo": ["modinfo", "no_such_module"],
    "modprobe": ["modprobe", "-n", "no_such_module"],
    "depmod": ["depmod", "-n", "-b", ".", "1.0"],
    "python": python("print(1)"),
    "python-threads": python(THREADS),
    "python-thread-executes": python(THREAD_EXECUTES),
    "python-processes": python(PROCESSES),
    "python-signals": python(SIGNALS),
    "python-waiting": python(WAITING),
    "python-files": python(FILES),
    "python-sockets": python(SOCKETS),
    "python-system": python(SYSTEM),
    "python-memory": python(MEMORY),
    "python-mounts": python(MOUNTS),
    "python-interrupted-again": python(INTERRUPTED_AGAIN),
    "python-killed-again": python(KILLED_AGAIN),
    "python-vfork-again": python(VFORK_AGAIN),
    "python-bogus": python(BOGUS.replace("{numbers}", str(sorted(call_numbers(frozenset(HARMLESS), _AUDIT))))),
}

#: Calls whose lines are left out for one command, and why.
LEFT_OUT = {
    # Which thread is quicker decides who waits, and whether a stack is used again.
    "python-threads": ("futex", "mmap", "munmap", "mprotect", "madvise"),
    "python-thread-executes": ("futex", "mmap", "munmap", "mprotect"),
}

PROGRAM_32 = r"""
.globl _start
.macro call number, a=0, b=0, c=0, d=0, e=0, f=0
  mov $\number, %eax; mov $\a, %ebx; mov $\b, %ecx; mov $\c, %edx; mov $\d, %esi; mov $\e, %edi; mov $\f, %ebp
  int $0x80
.endm
_start:
  call 5, path, 0x8000                       # open
  call 3, 3, buffer, 10                      # read
  call 180, 3, buffer, 10, 5, 0              # pread64: an offset in two registers
  call 140, 3, 0, 4, buffer, 0               # _llseek
  call 197, 3, buffer                        # fstat64
  call 195, path, buffer                     # stat64
  call 196, path, buffer                     # lstat64
  call 300, -100, path, buffer, 0x100        # fstatat64
  call 108, 3, buffer                        # fstat, the structure of old
  call 106, path, buffer                     # stat
  call 221, 3, 1                             # fcntl64
  call 221, 3, 14, flock                     # fcntl64: F_SETLKW64
  call 55, 3, 3                              # fcntl
  call 90, mapping                           # mmap: a block of arguments
  call 192, 0, 4096, 3, 0x22, -1, 0          # mmap2: an offset in pages
  call 91, 0x1000, 0                         # munmap
  call 45, 0                                 # brk
  call 174, 10, action, buffer, 8            # rt_sigaction
  call 175, 0, set, buffer, 8                # rt_sigprocmask
  call 191, 7, buffer                        # ugetrlimit
  call 76, 3, buffer                         # getrlimit
  call 340, 0, 7, 0, buffer                  # prlimit64
  call 265, 1, buffer                        # clock_gettime
  call 403, 1, buffer                        # clock_gettime64
  call 162, moment, 0                        # nanosleep
  call 78, buffer, 0                         # gettimeofday
  call 122, buffer                           # uname
  call 146, 1, vector, 2                     # writev
  call 168, 0, 0, 0                          # poll
  call 142, 0, 0, 0, 0, moment               # _newselect
  call 193, path, 5, 0                       # truncate64
  call 194, 9, 5, 0                          # ftruncate64
  call 324, 9, 0, 1, 0, 2, 0                 # fallocate
  call 240, buffer, 1, 1                     # futex
  call 20                                    # getpid
  call 199                                   # getuid32
  call 195, 0, 0                             # stat64 of NULL
  call 6, 3                                  # close
  call 1, 3                                  # exit
.data
path: .asciz "one"
action: .long 1, 0x10000000, 0, 0x200, 0
set: .long 0x200, 0
moment: .long 0, 1000
vector: .long path, 2, path, 1
mapping: .long 0, 4096, 1, 0x22, -1, 0
flock: .short 0, 0; .long 1, 0, 2, 0, 0
.bss
buffer: .space 512
"""
