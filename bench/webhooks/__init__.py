"""What outgoing webhooks cost and how long they take: `python -m bench webhooks`, with everything on and real servers.

__main__   options, the scenarios one after another, the verdict
world      the stack, the receiver, and what a measurement does with both
receiver   the process that answers, and notes what came when
events     events of real types, about 1 KB on the wire
cpu        CPU time by process, and who may run on which core
alone      the same POSTs by the transport object alone, in a process of its own
drains     (a) a stream that is full, to one endpoint and to ten; (e) the same with one answer in a hundred a 503
latency    (b) from the event, and from the API's answer, to the receiver
isolation  (c) endpoints that hang and refuse beside eight that answer
fanout     (d) one event to a hundred endpoints
backlog    (f) a million retries that wait
report     tables, bars, and docs/performance.md
"""
