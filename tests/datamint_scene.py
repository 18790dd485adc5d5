"""A Datamint project on the stand-in, opened by the connector, and what its tests put there."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

import caseferry as cf
from caseferry_datamint.dataset import DatamintDataset
from datamint_shapes import LINE, SHAPE, SPOT, TYPES, VOLUMES
from ledger_check import Lookup, Sent, put_and_compare

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.sandbox import Sandbox
    from caseferry_datamint.sandbox import DatamintStandIn
    from peers import Peer

ID = r"[0-9a-f-]{36}"

LOOKUPS = (
    Lookup("GET", "/projects", ("offset",), "which project is meant"),
    Lookup("GET", f"/projects/{ID}/worklists", (), "through which worklist annotations count"),
    Lookup("GET", "/resources", ("tags",), "whether the case is there already"),
    Lookup("GET", f"/resources/{ID}", (), "the item as it stands", around=True),
    Lookup("POST", "/annotations/search", (), "which annotations are there already", around=True),
)


@dataclass
class Scene:
    """The stand-in, the connector, and the official clients."""

    sandbox: Sandbox
    standin: DatamintStandIn
    folder: Path
    opened: ExitStack = field(default_factory=ExitStack)

    def open(self, name: str = "sandbox", **options: Any) -> DatamintDataset:
        """The connector's dataset; closed at the end of the test."""
        dataset = self.opened.enter_context(cf.connect(f"datamint:{name}", **options))
        assert isinstance(dataset, DatamintDataset)
        return dataset

    def put(self, case: cf.Case, dataset: DatamintDataset | None = None, **options: Any) -> Sent:
        """Put a case, its plan being compared with the ledger."""
        return put_and_compare(
            self.sandbox, dataset or self.open(), case, LOOKUPS, base="/", **{"phi": "keep", **options}
        )

    def peer(self, peer: Peer, script: str, *arguments: str) -> Any:
        """Run an official client in its own environment."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return peer.run(script, *arguments, variables=self.sandbox.variables, home=home)

    def ask(self, method: str, path: str, *, key: str = "", **options: Any) -> Any:
        """A plain request, as anyone may write it, and the JSON that it is answered with."""
        headers = {"apikey": key or self.sandbox.variables["DATAMINT_API_KEY"]}
        url = self.sandbox.variables["DATAMINT_API_URL"] + path
        answer = requests.request(method, url, headers=headers, timeout=30, **options)
        assert answer.ok, answer.text
        return answer.json()

    def upload(self, content: bytes, name: str, kind: str = "application/octet-stream", **form: str) -> str:
        """A resource in the project, as a person puts it."""
        parts: dict[str, Any] = {"source": (None, "api"), "resource": (name, content, kind), "mimetype": (None, kind)}
        parts |= {key: (None, value) for key, value in form.items()}
        rid: str = self.ask("POST", "/resources", files=parts)["id"]
        project = self.project()["id"]
        self.ask("POST", f"/projects/{project}/resources", json={"resource_ids_to_add": [rid]})
        return rid

    def stage(self, files: dict[str, tuple[Path, int]]) -> dict[str, Any]:
        """Files as resources that a person put, and the plan by which an official client draws on them."""
        plan: dict[str, Any] = {}
        for name, (path, frame) in files.items():
            rid = self.upload(path.read_bytes(), path.name, TYPES[path.suffix])
            size = SHAPE[::2] if name == "coronal" else SHAPE[:2]
            plan[name] = {"id": rid, "path": str(path), "frame": frame, "line": LINE, "spot": SPOT, "size": size}
            if name in VOLUMES:
                plan[name]["labels"] = str(path.with_name(f"{name}-labels.nii.gz"))
        (self.folder / "plan.json").write_text(json.dumps(plan))
        return plan

    def project(self) -> dict[str, Any]:
        """The project of a new sandbox, as the platform answers it."""
        found: dict[str, Any] = self.ask("GET", "/projects")["data"][0]
        return found

    def annotate(self, resource: str, *forms: dict[str, Any]) -> list[str]:
        """Annotations as another client writes them."""
        ids: list[str] = self.ask("POST", f"/annotations/{resource}/annotations", json=list(forms))
        return ids
