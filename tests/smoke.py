"""`python tests/smoke.py`: decode, index, search and open the app, with what requirements.txt installs and no more.

For the Pythons that the whole suite does not run on: they get other versions of the libraries that break often.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIPS = ROOT / "assets" / "gallery" / "storybook" / "videos"
SECONDS = 600  # a machine may be busy; what hangs is found out all the same


def run(*arguments: str) -> str:
    """A command of the project; its standard output."""
    command = [sys.executable, "-m", "diffusionret", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def main() -> None:
    """Raises AssertionError where something does not work."""
    sys.path.insert(0, str(ROOT))
    import av

    from diffusionret import Retriever
    from diffusionret.video import read_frames

    clips = sorted(CLIPS.iterdir())[:6]
    clip = read_frames(clips[0], n=12, size=64, still=64)
    assert clip.frames.std() > 5 and clip.mask.all() and clip.still
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "videos").mkdir()
        for file in clips:
            (Path(place) / "videos" / file.name).symlink_to(file)
        gallery = str(Path(place) / "gallery")
        for count in ("6 added, 0 unchanged", "0 added, 6 unchanged"):
            said = run("index", str(Path(place) / "videos"), "--gallery", gallery, "--model", "storybook")
            assert said.startswith(count), said
        result = Retriever.open(gallery, device="cpu").search("a boat at night", k=3)
        assert len(result.hits) == 3 and result.trajectory is not None
        assert '"hits"' in run("search", "a boat at night", "--json")

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {**os.environ, "GRADIO_SERVER_NAME": "127.0.0.1"}
        command = [sys.executable, str(ROOT / "demo" / "app.py"), "--gallery", gallery, "--port", str(port)]
        with (Path(place) / "log").open("a+") as log:
            app = subprocess.Popen(command, cwd=place, stdout=log, stderr=log, env=environment)
            try:
                address = f"http://127.0.0.1:{port}/"
                begun = time.monotonic()
                while True:
                    try:
                        page = urllib.request.urlopen(address, timeout=20).read().decode()
                        break
                    except OSError:
                        log.seek(0)
                        assert app.poll() is None and time.monotonic() - begun < SECONDS, log.read()
                        time.sleep(0.5)
                assert "DiffusionRet" in page
                id = Retriever.open(gallery, device="cpu").gallery.ids[0]
                clip = urllib.request.urlopen(f"{address}media/clips/{id}", timeout=20)
                assert clip.headers["content-type"] == "video/mp4" and len(clip.read()) > 1000
            finally:
                app.terminate()
                app.wait(60)
    print(f"Python {sys.version.split()[0]}, PyAV {av.__version__}: all works.")


if __name__ == "__main__":
    main()
