"""Translation between cases and Datamint's resources and annotations. Pure: nothing here asks the platform."""
