# mypy: ignore-errors
"""Runs the suite's command, for Python 2.7, with two changes for which it has no option.

    wstest.py list SPEC.json     print the version and the cases that the file selects, as JSON
    wstest.py ARGUMENTS          run the suite's own ``wstest ARGUMENTS``

It listens only on loopback, because the suite itself binds every address of the machine. And it writes its reports as
JSON instead of tens of thousands of HTML files.
"""

import json
import sys

import autobahntestsuite.choosereactor  # noqa: F401  # the reactor is chosen by this import, so it comes first
from autobahntestsuite import case, fuzzing, version, wstest
from autobahntestsuite.caseset import CaseSet
from twisted.internet import reactor


def main(arguments):
    if arguments[:1] == ["list"]:
        return list_cases(arguments[1])
    listen = reactor.listenTCP
    reactor.listenTCP = lambda port, factory, backlog=50, interface="": listen(port, factory, backlog, "127.0.0.1")
    create_reports = fuzzing.FuzzingFactory.createReports
    fuzzing.FuzzingFactory.createReports = lambda factory: create_reports(factory, produceHtml=False)
    return wstest.run()  # it reads sys.argv itself


def list_cases(spec):
    known = CaseSet(case.CaseSetname, case.CaseBasename, case.Cases, case.CaseCategories, case.CaseSubCategories)
    with open(spec) as file:
        cases = known.parseSpecCases(json.load(file))
    json.dump({"version": version, "cases": cases}, sys.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
