"""A canary for secrets, there in every test: whatever the gateway writes or says meanwhile is read for secrets.

What counts as a secret:

- whatever carries `MARK`, also within base64 or hex: passwords, client secrets, codes, verifiers and tokens that tests
  and their servers choose, and the numbered tokens of `tests/flows/token_servers.py` (`marks.py`);
- what the gateway makes, by its form: API keys, access and refresh tokens, codes, client secrets, links that sign
  somebody in, the administrator's key, every JWT, private keys (`marks.py`);
- what is known because of where it went (`taps.py`, `watch.py`): values that were set as secrets, or sealed for
  accounts, clients and log-ins; data keys; cookies; ids of sessions; codes and PKCE verifiers at token endpoints.

Where it looks when a test has ended, teardown included:

- every log line from INFO on with its fields and trace, what was printed, and every call record, of this process;
- every answer of a gateway in this process, whole and with its headers: pages, errors, results;
- SQLite files byte by byte, with write-ahead logs and backups, and whatever else lies in the folders of the test: logs
  of gateways that run beside it, files of the command line;
- what any process writes to DynamoDB (`tests/contracts/aws_process.py` keeps a journal);
- output and answers of the processes of Lambda functions, and what the command line says.

What it cannot see: answers of a gateway that is a process of its own, outside of Lambda (its code is the same), but
for pages that a browser of `tests/flows/desks.py` opens; secrets that only such a process knows, unless their form
tells; parts of a secret, or one in another encoding; DEBUG lines of libraries; what lies across two pages of a SQLite
file; what real clients (`make clients`) and the benchmarks leave, which are not tests of the suite.

Where a secret has to be is listed, with the reason, in `allowed.py`.
"""
