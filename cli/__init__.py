"""The command line: commands, progress, tables, exit codes. The only folder that prints."""
