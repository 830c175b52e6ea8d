"""The language FlowTask's services share: resources, events, commands, errors and the topology of the bus; no I/O."""
