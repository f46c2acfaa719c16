"""Single panels as vector files, in the widths of a paper's column and page"""
