"""From a label map to the outlines of its regions, and into the files of annotation tools."""
