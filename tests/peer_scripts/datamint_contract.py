"""The contract suite on datasets that `from_sdk` opens with a client of datamint; prints what became of its tests.

caseferry is not installed here: it is found by the paths that are given after the folder to work in.
"""

import json
import os
import sys
from collections import Counter
from itertools import count
from pathlib import Path

sys.path[:0] = sys.argv[2:]

import pytest  # noqa: E402  after the paths are known

from caseferry.testing import ConnectorContract  # noqa: E402
from caseferry_datamint import from_sdk  # noqa: E402
from datamint import Api  # noqa: E402

FRESH = count(1)


class TestFromSDK(ConnectorContract):
    @pytest.fixture(scope="class")
    def account(self):
        with from_sdk(Api()) as account:
            yield account

    @pytest.fixture
    def url(self, account):
        return f"datamint:{account.create_project(f'project {next(FRESH)}').name}"

    @pytest.fixture
    def dataset(self, account, url):
        with account.open(url.removeprefix("datamint:")) as opened:
            yield opened


class Outcomes:
    def __init__(self):
        self.counted, self.failed = Counter(), {}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            self.counted[report.outcome] += 1
        if report.failed:
            self.failed[report.nodeid.rpartition("::")[2]] = report.longreprtext[-1500:]


if __name__ == "__main__":
    script = str(Path(__file__).resolve())
    os.chdir(sys.argv[1])
    outcomes, settings = Outcomes(), Path("pytest.ini")
    settings.write_text("[pytest]\n")
    options = ["-q", "-p", "no:cacheprovider", "--noconftest", "-c", str(settings), "--import-mode=importlib"]
    pytest.main([*options, script], plugins=[outcomes])
    print(json.dumps({"counted": outcomes.counted, "failed": outcomes.failed}))
