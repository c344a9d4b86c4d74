"""The notebook runner, its checks and report, and what drives a browser."""

import sys

# jsonschema, with which notebooks are read, compiles a grammar of international addresses at each start, which takes
# longer than all else of it. No notebook has any, and without the grammar it leaves out this one check.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore
