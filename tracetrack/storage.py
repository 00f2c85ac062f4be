"""Static files in production: a name bears its content's hash, so browsers may keep it."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):
    """Scripts import each other by hashed names too: after a deploy no page mixes old and new."""

    support_js_module_import_aggregation = True
