"""What an AWS bucket must allow so that Darwin can use it.

Source
------
V7's guide "Connect into an external storage on S3".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

ROLE = "arn:aws:iam::258327614892:role/external_s3"
"""As which V7 comes."""

ORIGIN = "https://darwin.v7labs.com"


def bucket_policy(bucket: str, prefix: str = "", *, readonly: bool = False) -> dict[str, Any]:
    """The bucket's own policy: who may read there and, for read-write registration, write.

    Parameters
    ----------
    prefix : keys that V7 may touch; all when empty
    """
    inside = f"{prefix.strip('/')}/*" if prefix.strip("/") else "*"
    return {
        "Version": "2012-10-17",
        "Id": "PolicyForExternalAccess",
        "Statement": [
            {
                "Sid": "DarwinAccess",
                "Effect": "Allow",
                "Principal": {"AWS": ROLE},
                "Action": ["s3:GetObject"] if readonly else ["s3:GetObject", "s3:PutObject"],
                "Resource": f"arn:aws:s3:::{bucket}/{inside}",
            }
        ],
    }


def cors_rules(origin: str = ORIGIN) -> Sequence[dict[str, Any]]:
    """The CORS rules by which browsers on Darwin may show the bucket's files."""
    return [{"AllowedHeaders": ["*"], "AllowedMethods": ["GET"], "AllowedOrigins": [origin], "ExposeHeaders": []}]
