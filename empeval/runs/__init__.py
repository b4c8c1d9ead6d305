"""The run folder, and the one way in which it is read and written.

::

    run.json                         the manifest: what was asked, of what, with what
    responses/<task>.jsonl           a line an item (ResponseLine)
    turns/<task>.jsonl               replies in dialogues that are not scored (ResponseLine)
    scores/<task>/<scorer>.jsonl     a line an item (Score)
    judgements/<scorer>.jsonl        what models said to a scorer that asks them (Response)
    metrics.json                     the metrics (MetricsFile)
    .run.json.copy                   the manifest again, for 'empeval runs repair'

Other programs read these files; ``empeval schema`` prints their JSON Schema.
"""

from empeval.runs.counting import (
    UNANSWERED,
    notices,
    require_unchanged,
    require_whole,
    whole_failures,
)
from empeval.runs.folder import Run
from empeval.runs.identity import (
    data_fingerprint,
    differences,
    is_copy,
    item_hash,
    only_marks_differ,
    prompts_hash,
    spec_hash,
)
from empeval.runs.index import natural_key
from empeval.runs.journal import Journal, read_journal
from empeval.runs.judgements import Judgements, heard
from empeval.runs.lines import ById, Lines, Mapped, Stored, state_of
from empeval.runs.locations import (
    check_apart,
    check_ending,
    check_free,
    document_file,
    document_path,
    is_run,
    run_folders,
)
from empeval.runs.manifest import (
    COPY,
    SCHEMA,
    AuditMark,
    Manifest,
    ModelEntry,
    ScorerEntry,
    TaskEntry,
    redacted,
)
from empeval.runs.names import same_file, slug
from empeval.runs.reading import Answer, AskedItem, RunFiles, Scores
from empeval.runs.samples import Samples, ScoredSamples, response_of, samples_in

__all__ = [
    "COPY",
    "SCHEMA",
    "UNANSWERED",
    "Answer",
    "AskedItem",
    "AuditMark",
    "ById",
    "Journal",
    "Judgements",
    "Lines",
    "Manifest",
    "Mapped",
    "ModelEntry",
    "Run",
    "RunFiles",
    "Samples",
    "ScoredSamples",
    "ScorerEntry",
    "Scores",
    "Stored",
    "TaskEntry",
    "check_apart",
    "check_ending",
    "check_free",
    "data_fingerprint",
    "differences",
    "document_file",
    "document_path",
    "heard",
    "is_copy",
    "is_run",
    "item_hash",
    "natural_key",
    "notices",
    "only_marks_differ",
    "prompts_hash",
    "read_journal",
    "redacted",
    "require_unchanged",
    "require_whole",
    "response_of",
    "run_folders",
    "same_file",
    "samples_in",
    "slug",
    "spec_hash",
    "state_of",
    "whole_failures",
]
