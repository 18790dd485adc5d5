"""Properties with darwin-py's newer client: `darwin_properties.py CLASS_ID`."""

import json
import os
import sys
from pathlib import Path

from darwin.future.core.client import ClientCore, DarwinConfig
from darwin.future.core.properties import (
    create_property,
    get_property_by_id,
    get_team_full_properties,
    get_team_properties,
    update_property,
    update_property_value,
)
from darwin.future.core.team.get_team import get_team, get_team_members
from darwin.future.core.workflows import get_workflows
from darwin.future.data_objects.properties import FullProperty, PropertyValue

base, team = os.environ["DARWIN_BASE_URL"], os.environ["DARWIN_TEAM"]
client = ClientCore(
    DarwinConfig(
        api_key=os.environ["DARWIN_API_KEY"],
        base_url=base,
        api_endpoint=f"{base}/api/",
        datasets_dir=Path.home(),
        default_team=team,
        teams={},
    )
)
wish = FullProperty(
    name="grade",
    type="single_select",
    description="",
    required=False,
    annotation_class_id=int(sys.argv[1]),
    property_values=[PropertyValue(value="low", color="rgba(100,100,100,1)")],
)
made = create_property(client, wish, team_slug=team)
full = next(p for p in get_team_full_properties(client, team_slug=team) if p.id == made.id)
bare = next(p for p in get_team_properties(client, team_slug=team) if p.id == made.id)
again = get_property_by_id(client, made.id, team_slug=team)
made.property_values[0].value = "high"
grown = update_property(client, made, team_slug=team)
words = [entry.value for entry in grown.property_values]
value = grown.property_values[0]
value.value = "lowest"
changed = update_property_value(client, value, item_id=made.id, team_slug=team)
print(
    json.dumps(
        {
            "same": full == again and bare == again.model_copy(update={"property_values": None}),
            "bare": bare.property_values,
            "grown": words,
            "changed": changed == value,
            "team": get_team(client).slug,
            "members": len(get_team_members(client)[0]),
            "workflows": [[stage.type.value for stage in workflow.stages] for workflow in get_workflows(client)],
        }
    )
)
