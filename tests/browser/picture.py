"""The README's picture: the manager's largest campaign, in Chromium, from a demo that is serving (`make picture`)."""

import json
import shutil
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SIZE = ViewportSize(width=1280, height=900)


def main() -> None:
    """Log in, open the campaign, and write docs/campaign.png."""
    demo = json.loads((ROOT / "var" / "demo.json").read_text())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
        )
        page = browser.new_page(viewport=SIZE, color_scheme="dark")
        page.goto(demo["base_url"] + "/login/")
        page.fill("[name=username]", demo["manager"]["email"])
        page.fill("[name=password]", demo["manager"]["password"])
        page.click("main [type=submit]")
        page.goto(f"{demo['base_url']}/campaigns/{demo['campaigns'][0]['id']}/?sort=-gap")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=ROOT / "docs" / "campaign.png")
        browser.close()


if __name__ == "__main__":
    main()
