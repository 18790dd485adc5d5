"""The calls of Datamint's own clients, and what is written instead: the tables of the documentation."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from datamint_annotation_calls import ANNOTATIONS
from datamint_api_calls import API
from datamint_handler_calls import ACCOUNT, RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable

HANDLER = [*RESOURCES, *ANNOTATIONS, *ACCOUNT]

DOCUMENTED = """
APIHandler add_annotations add_frame_category_annotation add_image_category_annotation add_line_annotation
create_project create_user delete_project delete_resources download_project download_resource_file
download_resource_frame get_annotation_worklist get_annotation_worklist_by_id get_annotations get_channels get_datasets
get_experiment_by_name get_project_by_id get_project_by_name get_projects get_resource_annotations get_resources
get_resources_by_ids get_resources_by_project get_users publish_resources update_annotation_worklist upload_resources
upload_segmentations DatamintException ResourceNotFoundError ResourceFields ResourceStatus
"""
"""Every name in the documentation of `APIHandler`."""

NOT_OFFERED = {
    "experiments, which are MLflow's by now": (
        "create_experiment finish_experiment get_experiment_by_id get_experiment_by_name get_experiment_logs "
        "get_experiments log_entry log_model log_summary update_experiment"
    ),
    "models, their images and what they predict": "models.* deploy.* inference.*",
    "splits, statistics and messages of a project, and who works on it": (
        "projects.assign_splits projects.get_splits projects.get_resource_split projects.get_annotation_statuses "
        "projects.get_annotations_stats projects.get_annotator_status projects.get_annotators_stats "
        "projects.get_files_matrix_stats projects.get_review_messages projects.get_members projects.set_member "
        "projects.remove_member projects.reset_annotator_status projects.get_models"
    ),
    "changing what a project or a person is": (
        "projects.patch projects.partial_update users.update_user users.delete_user users.invite "
        "users.get_invitations users.revoke_invitation annotationsets.update_segmentation_group"
    ),
}
"""What moves no cases and says nothing of them, by why."""

EVERYWHERE = {"close", "convert_format", "get_status_code", "standardize_segmentation_names"}
"""Calls that each section of `Api` has, and that the tables name once."""


def left_out(offered: Iterable[str]) -> list[str]:
    """Calls that a client offers and that are neither in a table nor among what is not offered."""
    shown = set().union(*(row.names for row in (*HANDLER, *API)))
    assert shown >= EVERYWHERE
    patterns = [pattern for names in NOT_OFFERED.values() for pattern in names.split()]
    return [
        name
        for name in sorted(offered)
        if name not in shown
        and name.rpartition(".")[2] not in EVERYWHERE
        and not any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
