"""A dataset's life with darwin-py: `darwin_life.py SLUG`, a dataset that holds two items."""

import json
import os
import sys

from darwin.client import Client

slug = sys.argv[1]
client = Client.from_api_key(os.environ["DARWIN_API_KEY"])
dataset = client.get_remote_dataset(f"{os.environ['DARWIN_TEAM']}/{slug}")


def statuses():
    return {item.filename: item.status for item in dataset.fetch_remote_files()}


first, second = sorted(dataset.fetch_remote_files(sort="filename:asc"), key=lambda item: item.filename)
steps = {"start": statuses()}
dataset.post_comment(first, "look here", 1, 2, 3, 4)
for verb in ("complete", "move_to_new", "archive", "restore_archived"):
    getattr(dataset, verb)([first])
    steps[verb] = statuses()
named = {item.filename for item in dataset.fetch_remote_files({"item_names": [second.filename]})}
dataset.delete_items([second])
steps["delete"] = statuses()

made = dataset.create_annotation_class("lesion", "polygon", ["text", "instance_id"])
other = client.create_dataset("Another One")
other.add_annotation_class(made["id"])
print(
    json.dumps(
        {
            "steps": steps,
            "named": sorted(named),
            "url": dataset.workview_url_for_item(first),
            "made": [made["name"], made["annotation_types"]],
            "classes": {
                held.slug: sorted(entry["name"] for entry in held.fetch_remote_classes()) for held in (dataset, other)
            },
            "attributes": dataset.fetch_remote_attributes(),
            "features": [[feature.name, feature.enabled] for feature in client.get_team_features(dataset.team)],
            "storages": [store.name for store in client.list_external_storage_connections(dataset.team)],
            "other": [other.name, other.slug],
        }
    )
)
