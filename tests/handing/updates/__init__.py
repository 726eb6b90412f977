"""A machine whose real hubd is updated, with kills and power cuts amid the change of hands."""
