"""What the client reports, and that it does nothing outside lowtide."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import unittest

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")


class World:
    """A run directory as the agent makes it, and scripts that run with it."""

    def __init__(self, folder):
        self.folder = folder
        self.report = os.path.join(folder, "report")
        open(self.report, "w").close()

    def wish(self, text):
        with open(os.path.join(self.folder, "leave"), "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, script, inside=True, checkpoint=True, arguments=(), paths=(), **environment):
        known = {k: v for k, v in os.environ.items() if not k.startswith("LOWTIDE_") and k not in RANKS}
        known["PYTHONPATH"] = os.pathsep.join((SOURCE,) + tuple(paths))
        known["PYTHONDONTWRITEBYTECODE"] = "1"
        if inside:
            known["LOWTIDE_REPORT"] = self.report
            if checkpoint:
                known["LOWTIDE_CHECKPOINT_SIGNAL"] = str(int(signal.SIGTERM))
        known.update(environment)
        command = list(arguments) or [sys.executable, "-c", textwrap.dedent(script)]
        return subprocess.run(command, env=known, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def said(self):
        with open(self.report) as file:
            lines = [json.loads(line) for line in file]
        return [(line["event"], line["epoch"], line.get("epochs")) for line in lines]

    def ended(self):
        return [epoch for event, epoch, _ in self.said() if event == "epoch-end"]


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.world = World(folder.name)

    def succeeds(self, done, code=0):
        self.assertEqual(done.returncode, code, done.stderr.decode())
        return done


class Epochs(Case):
    def test_a_loop_reports_each_epoch_from_1_on_and_counts_as_range_does(self):
        script = """
            import lowtide
            print([epoch for epoch in lowtide.epochs(3, start=1)])
        """
        self.assertEqual(self.succeeds(self.world.run(script)).stdout, b"[1, 2]\n")
        expected = [("epoch-start", 2, 3), ("epoch-end", 2, 3), ("epoch-start", 3, 3), ("epoch-end", 3, 3)]
        self.assertEqual(self.world.said(), expected)

    def test_an_epoch_that_raises_has_not_ended(self):
        script = """
            import lowtide
            with lowtide.epoch(1, 2): pass
            with lowtide.epoch(2, 2): raise KeyError
        """
        self.succeeds(self.world.run(script), 1)
        self.assertEqual(self.world.ended(), [1])

    def test_only_the_first_process_of_a_training_reports(self):
        script = """
            import lowtide
            for epoch in lowtide.epochs(2): pass
        """
        for name in RANKS:
            self.succeeds(self.world.run(script, **{name: "1"}))
        self.assertEqual(self.world.said(), [])
        self.succeeds(self.world.run(script, RANK="0", SLURM_PROCID="3"))
        self.assertEqual(self.world.ended(), [1, 2])

    def test_a_report_that_cannot_be_written_is_dropped(self):
        os.remove(self.world.report)
        script = """
            import lowtide
            for epoch in lowtide.epochs(2): print(epoch)
        """
        done = self.succeeds(self.world.run(script))
        self.assertEqual((done.stdout, done.stderr), (b"0\n1\n", b""))
        self.assertFalse(os.path.exists(self.world.report))

    def test_it_knows_whether_it_goes_on(self):
        script = """
            import lowtide
            print(lowtide.resuming())
        """
        self.assertEqual(self.world.run(script, LOWTIDE_RESUME="1").stdout, b"True\n")
        self.assertEqual(self.world.run(script).stdout, b"False\n")
        self.assertEqual(self.world.run(script, inside=False, LOWTIDE_RESUME="1").stdout, b"False\n")


class Outside(Case):
    def test_nothing_happens_and_nothing_more_is_imported(self):
        self.world.wish("now")
        script = """
            import os, sys
            before = set(sys.modules)
            import lowtide
            print([epoch for epoch in lowtide.epochs(2, save=print)], lowtide.should_pause(), lowtide.active())
            with lowtide.epoch(1, 2): pass
            print(sorted(set(sys.modules) - before))
            import signal
            print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
        """
        done = self.succeeds(self.world.run(script, inside=False))
        self.assertEqual(done.stdout.decode().splitlines(), ["[0, 1] False False", "['lowtide']", "True"])
        self.assertEqual(done.stderr, b"")
        self.assertEqual(sorted(os.listdir(self.world.folder)), ["leave", "report"])
        self.assertEqual(self.world.said(), [])


class Pauses(Case):
    LOOP = """
        import lowtide
        for epoch in lowtide.epochs(5, save=lambda epoch: print("saved", epoch)):
            if epoch == 1:
                open("leave", "w").write("epoch-end")
            print(epoch)
    """

    def test_asked_to_leave_a_loop_saves_at_the_end_of_its_epoch_and_exits_with_75(self):
        done = self.succeeds(self.world.run(self.LOOP), 75)
        self.assertEqual(done.stdout, b"0\n1\nsaved 1\n")
        self.assertEqual(self.world.ended(), [1, 2])

    def test_a_job_without_checkpoints_never_leaves_by_itself(self):
        done = self.succeeds(self.world.run(self.LOOP, checkpoint=False))
        self.assertEqual(done.stdout, b"0\n1\n2\n3\n4\n")

    def test_after_the_last_epoch_it_is_done_and_not_paused(self):
        self.world.wish("epoch-end")
        script = """
            import lowtide
            for epoch in lowtide.epochs(1): pass
        """
        self.succeeds(self.world.run(script))

    def test_from_the_first_question_on_the_signal_is_an_answer(self):
        script = """
            import lowtide, os, signal
            print(lowtide.should_pause())
            os.kill(os.getpid(), signal.SIGTERM)
            print(lowtide.should_pause())
            lowtide.pause()
        """
        self.assertEqual(self.succeeds(self.world.run(script), 75).stdout, b"False\nTrue\n")

    def test_who_never_asks_is_ended_by_the_signal_and_handlers_of_the_scripts_stay(self):
        plain = """
            import lowtide, os, signal
            for epoch in lowtide.epochs(2): os.kill(os.getpid(), signal.SIGTERM)
        """
        self.succeeds(self.world.run(plain), -signal.SIGTERM)
        own = """
            import lowtide, os, signal
            signal.signal(signal.SIGTERM, lambda *_: print("mine"))
            lowtide.should_pause()
            os.kill(os.getpid(), signal.SIGTERM)
        """
        self.assertEqual(self.succeeds(self.world.run(own)).stdout, b"mine\n")

    def test_nonsense_in_the_wish_or_the_signal_is_no_wish(self):
        self.world.wish("perhaps \u00e9")
        script = """
            import lowtide
            print(lowtide.should_pause())
        """
        self.assertEqual(self.world.run(script).stdout, b"False\n")
        self.world.wish("now")
        self.assertEqual(self.world.run(script, LOWTIDE_CHECKPOINT_SIGNAL="x").stdout, b"False\n")


class Carbontracker(Case):
    SCRIPT = """
        from carbontracker.tracker import CarbonTracker
        import sys
        tracker = CarbonTracker(epochs=3, epochs_before_pred=1, monitor_epochs=-1, log_dir="logs", components="gpu",
                                api_keys={"electricitymaps": "k"}, sim_gpu="A100", sim_gpu_watts=300)
        tracker.set_api_keys({"electricitymaps": "k"})
        for epoch in range(3):
            tracker.epoch_start()
            if epoch == 2:
                break
            tracker.epoch_end()
        tracker.stop()
        tracker.stop()
        print(sys.argv)
    """

    def test_a_script_written_for_it_runs_unchanged(self):
        with open(os.path.join(self.world.folder, "train.py"), "w") as file:
            file.write(textwrap.dedent(self.SCRIPT))
        for inside, ended in ((False, []), (True, [1, 2])):
            command = [sys.executable, "-m", "lowtide.carbontracker", "train.py", "--lr", "1"]
            done = self.succeeds(self.world.run("", arguments=command, inside=inside))
            self.assertEqual((done.stdout, done.stderr), (b"['train.py', '--lr', '1']\n", b""))
            self.assertEqual(self.world.ended(), ended)
        self.assertEqual(self.world.said()[-1], ("epoch-start", 3, 3))
        self.assertFalse(os.path.exists(os.path.join(self.world.folder, "logs")))

    def test_its_arguments_are_those_of_2_4_7_in_their_order(self):
        sys.path.insert(0, SOURCE)
        self.addCleanup(sys.path.remove, SOURCE)
        import inspect

        from lowtide.carbontracker import CarbonTracker

        names = list(inspect.signature(CarbonTracker).parameters)
        self.assertEqual(
            names,
            "epochs epochs_before_pred monitor_epochs update_interval interpretable stop_and_confirm ignore_errors components "
            "devices_by_pid log_dir log_file_prefix verbose decimal_precision api_keys sim_cpu sim_cpu_tdp sim_cpu_util "
            "sim_gpu sim_gpu_watts sim_gpu_util".split(),
        )


if __name__ == "__main__":
    unittest.main()
