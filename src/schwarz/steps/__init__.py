"""The steps of the pipeline: plain functions from configuration and folders to a folder, one a file."""
