"""Everything comes out: the whole data set as files in a folder, for tools that read files.

Nothing is defined here that the REST API has defined: the columns are those of its lists.
"""
