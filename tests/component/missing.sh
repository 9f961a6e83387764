#!/bin/sh
# Says loudly that the component model's scripts are not here, and skips.
echo "SKIPPED: the component model's suite is not at $1; set BERTH_TESTSUITES to the folder of the public suites"
exit 77
