"""A page as a browser shows it, as a picture."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from hubcore.errors import ConfigError

SECONDS = 120.0
NAMES = ("chromium", "google-chrome")


def photograph(page: Path, picture: Path, width: int, height: int) -> None:
    """Write a PNG of the top of a page. Raise ConfigError when there is none."""
    browser = next((found for name in NAMES if (found := shutil.which(name))), None)
    if browser is None:
        raise ConfigError("there is no browser here: apt-get install chromium")
    profile = picture.with_suffix(".profile")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        f"--window-size={width},{height}",
        f"--screenshot={picture}",
        page.absolute().as_uri(),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    except subprocess.SubprocessError as error:
        raise ConfigError(f"{browser} made no picture of {page.name}: {error}") from error
    finally:
        shutil.rmtree(profile, ignore_errors=True)
