"""Pictures from any modality, by a generator that has seen pictures alone.

pictures and their embeddings ──Preparation──► fit_pictures ──► PictureFlow
embeddings of texts           ──Preparation──► PictureGenerator.pictures ──► bytes ──► write_contact_sheet
"""

from crossgap.transfer.pictures.contact_sheet import write_contact_sheet
from crossgap.transfer.pictures.picture_flow import PictureFlow, flow_loss
from crossgap.transfer.pictures.picture_generator import PictureGenerator, fit_pictures
from crossgap.transfer.pictures.prepared_pictures import PreparedPictures
from crossgap.transfer.pictures.sampling import Sampling

__all__ = [
    "PictureFlow",
    "PictureGenerator",
    "PreparedPictures",
    "Sampling",
    "fit_pictures",
    "flow_loss",
    "write_contact_sheet",
]
