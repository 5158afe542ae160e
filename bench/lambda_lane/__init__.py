"""The serverless lane on this machine: the real handlers, in a small host of what is AWS's."""
