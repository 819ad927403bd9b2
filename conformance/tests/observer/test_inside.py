"""A node's files, as the helpers open them: links, pipes, devices and folders that are exchanged lead nowhere."""

import errno
import os
import stat
import sys
import tempfile
import threading
import unittest
from unittest import mock

from processes import control_file, inside, proc
from processes.lines import AT_ONCE, Allowance


def pidns():
    return os.stat("/proc/self/ns/pid").st_ino


class Here(inside.Inside):
    """This process, as if a folder were the root of its node."""

    def __init__(self, root):
        super().__init__(os.getpid(), pidns())
        os.close(self.root)
        self.root = os.open(root, os.O_PATH | os.O_DIRECTORY)


class InsideTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.outside = os.path.join(folder.name, "outside")
        self.node = os.path.join(folder.name, "node")
        for place in (self.outside, self.node):
            os.makedirs(os.path.join(place, "data", "global"))
            control = control_file.BEGINNING.pack(7 if place == self.node else 666, 1, 1, 6)
            with open(os.path.join(place, "data", "global", "pg_control"), "wb") as file:
                file.write(control + bytes(100))

    def path(self, *names):
        return os.path.join(self.node, *names)

    def read(self, folder="/data"):
        with mock.patch.object(control_file, "Inside", lambda pid, pidns: Here(self.node)):
            return control_file.read(os.getpid(), pidns(), folder)

    def replace(self, name, with_link):
        os.rename(self.path(name), self.path(name.replace("/", "-") + "-before"))
        os.symlink(with_link, self.path(name))

    def test_a_control_file_is_read(self):
        self.assertEqual(self.read(), {"system": "7", "state": "in-production"})
        self.assertEqual(self.read("/data/../data/")["system"], "7")
        self.assertIsNone(self.read("/nowhere"))

    def test_links_of_the_node_lead_nowhere_but_into_it(self):
        os.symlink("/data", self.path("current"))
        self.assertEqual(self.read("/current")["system"], "7")
        os.symlink(os.path.join(self.outside, "data"), self.path("absolute"))
        os.symlink("../outside/data", self.path("upwards"))
        os.symlink("/proc/self/root" + os.path.join(self.outside, "data"), self.path("magic"))
        for name in ("/absolute", "/upwards", "/magic", "/../outside/data"):
            self.assertIsNone(self.read(name), name)

    def test_a_magic_link_is_no_folder(self):
        with inside.Inside(os.getpid(), pidns()) as here:
            for path in ("/proc/self/root", "/proc/self/cwd", "/proc/self/fd/0"):
                with self.assertRaises(OSError) as refused:
                    os.close(here.folder(path, links=True))
                self.assertIn(refused.exception.errno, (errno.ELOOP, errno.EXDEV), path)

    def test_a_control_file_that_is_a_link_is_not_read(self):
        self.replace("data/global/pg_control", os.path.join(self.node, "data-global-pg_control-before"))
        self.assertIsNone(self.read())

    def test_a_folder_that_is_a_link_is_not_entered_on_the_way_to_the_control_file(self):
        self.replace("data/global", os.path.join(self.outside, "data", "global"))
        self.assertIsNone(self.read())

    def test_a_pipe_is_no_control_file_and_holds_nobody_up(self):
        os.unlink(self.path("data", "global", "pg_control"))
        os.mkfifo(self.path("data", "global", "pg_control"))
        read = []
        reader = threading.Thread(target=lambda: read.append(self.read()), daemon=True)
        reader.start()
        reader.join(10)
        self.assertEqual(read, [None])

    def test_only_a_pipe_is_a_pipe(self):
        os.mkfifo(self.path("pipe"))
        os.symlink("pipe", self.path("link"))
        with Here(self.node) as node, inside.held(node.folder("/")) as root:
            os.close(inside.opened(root, "pipe", stat.S_ISFIFO))
            for name in ("link", "data", "data/global/pg_control"):
                with self.assertRaises(OSError, msg=name):
                    inside.opened(root, name, stat.S_ISFIFO)

    def test_without_openat2_no_link_is_followed_either(self):
        os.symlink("/data", self.path("current"))
        for code in (errno.ENOSYS, errno.EPERM):
            with mock.patch.object(inside, "openat2", side_effect=OSError(code, "filtered")):
                self.assertEqual(self.read()["system"], "7")
                for name in ("/current", "/data/..", "/../outside/data"):
                    self.assertIsNone(self.read(name), name)
                self.test_only_a_pipe_is_a_pipe() if code == errno.ENOSYS else None

    def test_a_folder_that_is_exchanged_while_it_is_used_stays_the_one_that_was_found(self):
        with Here(self.node) as node, inside.held(node.folder("/data")) as found:
            self.replace("data", os.path.join(self.outside, "data"))
            self.assertEqual(control_file.beginning(found)[0], 7)

    def test_a_folder_that_is_exchanged_all_the_time_never_leads_out(self):
        os.symlink(os.path.join(self.outside, "data"), self.path("link"))
        os.symlink("../outside/data", self.path("up"))
        over = threading.Event()

        def exchange():
            while not over.is_set():
                for name in ("link", "up"):
                    os.rename(self.path("data"), self.path("aside"))
                    os.rename(self.path(name), self.path("data"))
                    os.rename(self.path("data"), self.path(name))
                    os.rename(self.path("aside"), self.path("data"))

        attacker = threading.Thread(target=exchange, daemon=True)
        attacker.start()
        said = [self.read() for _ in range(3000)]
        over.set()
        attacker.join(10)
        self.assertEqual({one["system"] for one in said if one}, {"7"})

    def test_a_process_of_another_namespace_is_refused(self):
        with self.assertRaisesRegex(inside.Refused, "not in 77"):
            inside.Inside(os.getpid(), 77)
        self.assertIsNone(control_file.read(os.getpid(), 77, self.path("data")))

    def test_a_process_that_is_gone_is_no_way_in(self):
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        with self.assertRaises(OSError):
            inside.Inside(child, pidns())

    def test_the_working_folder_is_that_of_the_node(self):
        with inside.Inside(os.getpid(), pidns()) as here:
            os.close(here.working_folder())
            with mock.patch.object(here, "mounts", dict), self.assertRaises(inside.Refused):
                here.working_folder()

    def test_a_mount_is_known_by_its_line(self):
        line = "77 25 0:44 / /data rw,nosuid shared:3 - tmpfs tmpfs rw,size=4096k\n"
        self.assertEqual(inside.mount(line), (77, ("tmpfs", "0:44")))


class BoundsTest(unittest.TestCase):
    def test_of_a_long_command_line_the_beginning_is_read(self):
        child = os.fork()
        if not child:
            os.execv(sys.executable, ["sh", "-c", "import time; time.sleep(60)", *["x" * 100_000] * 10])
        try:
            while not (argv := proc.argv_of(child)) or argv[0] != "sh":
                os.sched_yield()
            self.assertEqual(argv[:3], ["sh", "-c", "import time; time.sleep(60)"])
            self.assertLessEqual(sum(map(len, argv)), proc.COMMAND_LINE)
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)

    def test_a_namespace_that_starts_thousands_of_processes_has_a_gap_and_the_others_have_none(self):
        allowance = Allowance()
        taken = sum(allowance.takes(1, 1000) for _ in range(AT_ONCE * 3))
        self.assertEqual(taken, AT_ONCE)
        self.assertTrue(allowance.takes(2, 1000))
        (gap,) = allowance.look()
        self.assertEqual((gap["pidns"], gap["at"][0]), (1, 1000))
        self.assertIn(f"{AT_ONCE * 2} of them", gap["why"])
        self.assertEqual(list(allowance.look()), [])
        self.assertTrue(allowance.takes(1, 1000 + 10**9))

    def test_long_arguments_count_as_several(self):
        allowance = Allowance()
        self.assertLess(sum(allowance.takes(1, 0, ["x" * 8192]) for _ in range(AT_ONCE)), AT_ONCE / 10)


if __name__ == "__main__":
    unittest.main()
